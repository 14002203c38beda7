"""Which folders in a corpus are tasks; of texts, whether folders are classes, or tasks whose files are classes.

`CLASS/TEXT.txt` and `TASK/CLASS.txt` look alike. The owner says which by `layout` in `corpus.toml`. Otherwise folders
are classes, unless they could not be: one folder alone, or fewer than three files in one, and their files look like
classes: a few, under names without numbers, with several lines each. What was taken for what is said wherever files
look like classes.
"""

from dataclasses import dataclass
from pathlib import Path

from metaopt.errors import InputError, quoted
from metaopt.files import read_bytes
from metaopt.tasks.labelled.layout import (
    Kind,
    example_in,
    files_of_lines,
    has_examples,
    is_task,
    kind_of,
    parts_of,
    subfolders,
)
from metaopt.tasks.labelled.settings import BY_FILE, BY_FOLDER, LAYOUT, written_layout
from metaopt.tasks.tables.settings import FILE_NAME

#: Examples that a class has at least.
_LEAST = 3
#: Files of a folder that may be classes.
_MOST_CLASSES = 30


@dataclass(frozen=True)
class TaskFolders:
    """The folders that are tasks.

    Attributes:
        kinds: what each holds, in the order of their names.
        note: a sentence on what was taken for what, where it may be otherwise; else empty.
    """

    kinds: dict[Path, Kind]
    note: str = ""


def task_folders(folder: Path, kind: Kind) -> TaskFolders:
    """The folders that are tasks: this one, or those in it.

    Raises:
        InputError: examples lie where no class can be told.
    """
    are_files_classes, note = _text_layout(folder, kind)
    if is_task(folder, kind) and not are_files_classes:
        return TaskFolders({folder: kind}, note)
    kinds = {child: kind_of(child) for child in subfolders(folder)}
    inside = {child: own for child, own in kinds.items() if own is not None and is_task(child, own)}
    if inside:
        return TaskFolders(inside, note)
    first = example_in(folder, kind)
    raise InputError(
        f"{quoted(folder)} holds {kind} such as {quoted(first.relative_to(folder))}, of no class: put those "
        "of each class into a folder named after it, CLASS/FILE, or TASK/CLASS/FILE for several tasks."
    )


def _text_layout(folder: Path, kind: Kind) -> tuple[bool, str]:
    """Whether folders of texts are tasks whose files are classes, and what to say of it."""
    written = written_layout(folder, kind)
    if written is not None:
        return written == BY_FILE, ""
    folders = [child for child in subfolders(folder) if has_examples(child, "texts")]
    if kind != "texts" or not folders or parts_of(folder) or not all(map(_are_classes, folders)):
        return False, ""
    could_be_classes = len(folders) > 1 and all(len(files_of_lines(child)) >= _LEAST for child in folders)
    by_folder = "each file as one text of the class that its folder names"
    by_file = "each folder as a task, each line as a text of the class that its file names"
    taken, other, how = (by_folder, by_file, BY_FILE) if could_be_classes else (by_file, by_folder, BY_FOLDER)
    return not could_be_classes, (
        f"{quoted(folder)} is read so: {taken}. To read {other}, write {LAYOUT} = {how!r} at the top of {FILE_NAME}."
    )


def _are_classes(folder: Path) -> bool:
    """Whether the files in a folder look like classes: a few, with names and no numbers, of several lines."""
    files = files_of_lines(folder)
    if not 2 <= len(files) <= _MOST_CLASSES or any(map(str.isdigit, "".join(path.stem for path in files))):
        return False
    return all(_has_lines(path) for path in files)


def _has_lines(path: Path) -> bool:
    try:
        return sum(bool(line.strip(b"\0 \t\r")) for line in read_bytes(path).split(b"\n")) >= _LEAST
    except OSError:
        return False
