"""The examples in a task's folder, read and counted; or all that stands against them at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from metaopt.contracts import Partition
from metaopt.errors import InputError, first_line, listed, quoted
from metaopt.files import is_utf8
from metaopt.tasks.images.pixels import Format
from metaopt.tasks.labelled.layout import SUFFIXES, Found, Kind, found_in
from metaopt.tasks.labelled.reading import Contents, read_images, read_texts
from metaopt.tasks.labelled.rows import needed
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.tables.refusal import Refusal, UnusableTableError

#: Of a sentence that names several files.
_MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class Examples:
    """What lies in a task's folder.

    Attributes:
        kind: images or texts.
        contents: pixels of all images, shape (n, channels, height, width), or texts.
        classes: of all examples, in the order of their names from 0, shape (n,).
        names: of the classes.
        parts: the owner's part of each, or None where there are none; shape (n,).
        form: what is read, for people.
        num_left_out: examples that the owner leaves out.
        hints: sentences worth knowing.
        originals: what each image was before, such as `"480×640, grey"`; none of texts.
        format: that all images have; None for texts.
        are_folders: whether classes are folders; otherwise they are files, of an example a line.
    """

    kind: Kind
    contents: "Tensor | Sequence[str]"
    classes: NDArray[np.int64]
    names: tuple[str, ...]
    parts: NDArray[Any]
    form: str
    num_left_out: int
    hints: tuple[str, ...]
    originals: tuple[str, ...]
    format: Format | None
    are_folders: bool


def read_examples(folder: Path, kind: Kind, settings: LabelledSettings) -> Examples:
    """All examples of a task.

    Args:
        folder: of the task.
        kind: what it holds.
        settings: what `corpus.toml` says.

    Raises:
        InputError: no class, files that cannot be read, classes of too few examples; all that is wrong at once where
            something that `corpus.toml` may say would help.
    """
    found = found_in(folder, kind)
    if not found.classes:
        where = ", ".join(sorted(SUFFIXES[kind]))
        raise InputError(f"{quoted(folder)} holds no {kind} ({where}) in folders of their classes.")
    for path in (path for files in found.classes.values() for path in files):
        if not is_utf8(str(path)):
            raise InputError(f"{quoted(path)} has a name that is not UTF-8; rename it.")
    labels = [(part, name) for (part, name), files in found.classes.items() for _ in files]
    files = [path for paths in found.classes.values() for path in paths]
    contents = read_images(files, settings) if kind == "images" else read_texts(files, settings, found.are_lines)
    kept = [labels[place] for place in contents.places]
    rare = _rare_classes(kept)
    unknown = _unknown(contents)
    too_small = _rare({} if unknown else rare, kept, folder, kind, are_left_out="rare_class" in settings.drop_files)
    refusals = [*_nested(found, kind, settings), *unknown, *_broken(contents, kind, settings), *too_small]
    usable = [place for place, label in enumerate(kept) if label[1] not in rare]
    names = tuple(sorted({kept[place][1] for place in usable}))
    if len(names) < 2 and not too_small and not unknown:
        refusals.append(_too_few_classes(folder, kind, names))
    if refusals:
        raise refused(refusals)
    places = {name: code for code, name in enumerate(names)}
    return Examples(
        kind,
        contents.chosen(usable),
        np.array([places[kept[place][1]] for place in usable], dtype=np.int64),
        names,
        np.array([kept[place][0] for place in usable], dtype=object),
        contents.form,
        len(contents.broken) + len(kept) - len(usable),
        (*contents.hints, *_hints(found, kind, folder)),
        tuple(contents.originals[place] for place in usable) if contents.originals else (),
        contents.format,
        not found.are_lines,
    )


def refused(refusals: Sequence[Refusal]) -> UnusableTableError:
    """The error that tells of all refusals of a task."""
    sentences = [refusal.sentence("").rstrip(".") for refusal in refusals]
    return UnusableTableError(f"{'; '.join(sentences)}.", refusals)


def _nested(found: Found, kind: Kind, settings: LabelledSettings) -> list[Refusal]:
    if not found.nested or "nested" in settings.drop_files:
        return []
    first = found.nested[0]
    sentence = (
        f"{quoted(first)} holds {kind} inside the class {quoted(first.parent.name)}"
        f"{_more(len(found.nested), 'such folder')}; move them into a class's own folder, or write "
        'drop_files = ["nested"] in corpus.toml to leave them out.'
    )
    return [Refusal("", sentence, "", settings={"drop_files": ["nested"]})]


def _unknown(contents: Contents) -> list[Refusal]:
    """Nobody but the owner knows these encodings, and to leave the files out is no answer."""
    if not contents.unknown:
        return []
    (path, error), count = contents.unknown[0], len(contents.unknown)
    sentence = f"{quoted(path)}{_more(count, 'such file')}: {first_line(error)}."
    return [Refusal("", sentence, "", settings=error.settings)]


def _broken(contents: Contents, kind: Kind, settings: LabelledSettings) -> list[Refusal]:
    if not contents.broken or "broken" in settings.drop_files:
        return []
    shown = "; ".join(f"{quoted(path)} ({reason})" for path, reason in contents.broken[:_MOST_NAMED])
    sentence = (
        f"{shown} cannot be read{_more(len(contents.broken), f'of the {kind}', _MOST_NAMED)}; replace or remove them, "
        'or write drop_files = ["broken"] in corpus.toml to leave them out.'
    )
    return [Refusal("", sentence, "", settings={"drop_files": ["broken"]})]


def _rare_classes(labels: Sequence[tuple[Partition | None, str]]) -> dict[str, int]:
    """Classes that cannot be trained on and told apart: how many examples they have to train with."""
    wanted = needed(np.array([part for part, _ in labels], dtype=object)) if labels else 0
    trained = Counter(name for part, name in labels if part in (None, "train"))
    return {name: trained[name] for name in sorted({name for _, name in labels}) if trained[name] < wanted}


def _rare(
    rare: dict[str, int],
    labels: Sequence[tuple[Partition | None, str]],
    folder: Path,
    kind: Kind,
    *,
    are_left_out: bool,
) -> list[Refusal]:
    """Why these classes cannot be used; no setting helps where none is left in one of the owner's parts."""
    if not rare:
        return []
    wanted = needed(np.array([part for part, _ in labels], dtype=object))
    shown = listed([f"{name} ({count})" for name, count in rare.items()], _MOST_NAMED)
    for part in dict.fromkeys(part for part, _ in labels):
        if all(name in rare for own, name in labels if own == part):
            what = f"{wanted} or more {kind} to train on" if part is None else f"{kind} to train on, and one in {part}"
            other = '; if classes differ on purpose, it is a few-shot task: write task = "episodes" in corpus.toml'
            sentence = f"{quoted(folder)} has no class with {what}, but {shown}{other if part else ''}."
            return [Refusal("", sentence, "")]
    if are_left_out:
        return []
    why = "to train on" if wanted == 1 else "to train, validate and test on"
    sentence = (
        f"{quoted(folder)} has classes of fewer than {wanted} {kind} {why}: {shown}; add some, remove them, "
        'or write drop_files = ["rare_class"] in corpus.toml to leave them out.'
    )
    return [Refusal("", sentence, "", settings={"drop_files": ["rare_class"]})]


def _too_few_classes(folder: Path, kind: Kind, names: Sequence[str]) -> Refusal:
    has = f"only the class {quoted(names[0])}" if names else f"no class of {kind} that can be used"
    sentence = (
        f"{quoted(folder)} has {has}, where two are needed to tell apart: put the {kind} of each class into a "
        "folder named after it."
    )
    return Refusal("", sentence, "")


def _hints(found: Found, kind: Kind, folder: Path) -> list[str]:
    lines = []
    for paths, what in (
        (found.left_out, f"Files that are no {kind}"),
        (found.stray, f"Files of {kind} beside the folders of classes"),
        (found.empty, f"Folders without {kind}"),
        (found.nested, f"Folders of {kind} inside a class"),
    ):
        if paths:
            shown = listed([str(path.relative_to(folder)) for path in paths], _MOST_NAMED)
            lines.append(f"{what} are left out: {shown} ({len(paths):,} in all).")
    return lines


def _more(count: int, what: str, named: int = 1) -> str:
    return f" (and {count - named:,} more {what})" if count > named else ""
