"""Where the examples of a task lie in its folder: by class, in parts or not.

| layout | is |
|---|---|
| `CLASS/FILE`, … | one task; files directly in a folder are of the class that it names |
| `train/CLASS/FILE`, `val/…`, `test/…` | one task with the owner's own parts; what is missing beside `train` is drawn |
| `CLASS.txt`, …, or `train/CLASS.txt`, … | one task: each line of a file is a text of the class that it names |
| `TASK/CLASS/FILE`, `TASK/train/CLASS/FILE`, … | a task for each folder; see `task_folders` |

What begins with a point, and `__MACOSX`, is not looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from metaopt.contracts import Partition
from metaopt.errors import InputError, quoted

Kind: TypeAlias = Literal["images", "texts"]

SUFFIXES: Mapping[Kind, frozenset[str]] = {
    "images": frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}),
    "texts": frozenset({".txt"}),
}
PARTS: Mapping[str, Partition] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
#: Files of text that tell about a folder.
_NOTES = frozenset({"readme", "license", "licence", "notice", "copying", "authors", "changelog", "requirements"})
#: Folders inside folders that are looked into for examples.
_DEEPEST = 4


@dataclass(frozen=True)
class Found:
    """The files of one task.

    Attributes:
        classes: files by class and part, in the order of their names; the part is None where the owner made none.
        left_out: files among them that are no examples.
        empty: folders without an example.
        nested: folders of examples inside a class.
        stray: examples beside the classes.
        are_lines: whether each line of a file is an example.
    """

    classes: dict[tuple[Partition | None, str], list[Path]] = field(default_factory=dict)
    left_out: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    nested: list[Path] = field(default_factory=list)
    stray: list[Path] = field(default_factory=list)
    are_lines: bool = False


def kind_of(folder: Path) -> Kind | None:
    """What a folder without tables holds by class, whichever it has more of; None if it is neither."""
    counts: dict[Kind, int] = {"images": 0, "texts": 0}
    for path in _files_below(folder, _DEEPEST):
        if path.parent != folder:
            for kind, suffixes in SUFFIXES.items():
                counts[kind] += path.suffix.lower() in suffixes
    if any(counts.values()):
        return max(counts, key=lambda kind: counts[kind])
    if any(_is_example(path, "images") for path in _entries(folder)):
        return "images"
    return "texts" if len(files_of_lines(folder)) > 1 else None


def found_in(folder: Path, kind: Kind) -> Found:
    """The files of a task's folder."""
    parts = parts_of(folder)
    places: list[tuple[Partition | None, Path]] = [*parts.items()] if parts else [(None, folder)]
    if kind == "texts" and not any(has_examples(child, kind) for _, place in places for child in subfolders(place)):
        lines = {(part, path.stem): [path] for part, place in places for path in files_of_lines(place)}
        if lines:
            return Found(lines, are_lines=True)
    found = Found()
    for part, place in places:
        found.stray.extend(path for path in _entries(place) if _is_example(path, kind))
        for child in subfolders(place):
            _add_class(found, part, child, kind)
    return found


def parts_of(folder: Path) -> dict[Partition, Path]:
    """The owner's own parts: `train` with `val` or `test`; none where there is no such pair."""
    parts: dict[Partition, Path] = {}
    for child in subfolders(folder):
        part = PARTS.get(child.name.lower())
        if part is not None and part in parts:
            raise InputError(f"{quoted(parts[part])} and {quoted(child)} are both the {part} part; join them.")
        if part is not None:
            parts[part] = child
    return parts if "train" in parts and len(parts) > 1 else {}


def files_of_lines(folder: Path) -> list[Path]:
    """Files of a text a line, directly in a folder."""
    return [
        path
        for path in _entries(folder)
        if _is_example(path, "texts") and path.stem.split(".")[0].lower() not in _NOTES
    ]


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and in its folders, by name."""
    return list(_files_below(folder, _DEEPEST))


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that are looked into, in the order of their names."""
    return [path for path in _entries(folder) if path.is_dir()]


def is_task(folder: Path, kind: Kind) -> bool:
    """Whether a folder is one task: it has parts, folders of classes, or files of lines."""
    if parts_of(folder) or any(has_examples(child, kind) for child in subfolders(folder)):
        return True
    return kind == "texts" and len(files_of_lines(folder)) > 1


def has_examples(folder: Path, kind: Kind, *, deep: bool = False) -> bool:
    """Whether examples lie in a folder; `deep`, in its folders too."""
    paths = _files_below(folder, _DEEPEST) if deep else iter(_entries(folder))
    return any(_is_example(path, kind) for path in paths)


def example_in(folder: Path, kind: Kind) -> Path:
    """The first example in a folder, or in its folders."""
    return next(path for path in _files_below(folder, _DEEPEST) if _is_example(path, kind))


def _add_class(found: Found, part: Partition | None, folder: Path, kind: Kind) -> None:
    entries = _entries(folder)
    files = [path for path in entries if _is_example(path, kind)]
    others = set(entries).difference(files)
    found.left_out.extend(path for path in entries if path in others and path.is_file())
    inside = [path for path in entries if path in others and path.is_dir() and has_examples(path, kind, deep=True)]
    found.nested.extend(inside)
    if files:
        found.classes[part, folder.name] = files
    elif not inside:
        found.empty.append(folder)


def _is_example(path: Path, kind: Kind) -> bool:
    return path.suffix.lower() in SUFFIXES[kind] and path.is_file()


def _files_below(folder: Path, depth: int) -> Iterator[Path]:
    for path in _entries(folder):
        if path.is_dir():
            if depth:
                yield from _files_below(path, depth - 1)
        else:
            yield path


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; none where it cannot be looked into."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name != "__MACOSX")
    except OSError:
        return []
