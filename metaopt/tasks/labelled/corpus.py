"""Folders of images or texts by class as a corpus: see `metaopt.tasks.labelled.layout`."""

from pathlib import Path

from metaopt.contracts import Corpus
from metaopt.errors import InputError
from metaopt.tasks.labelled.layout import Kind
from metaopt.tasks.labelled.settings import read_labelled_settings
from metaopt.tasks.labelled.task import task_of_folder
from metaopt.tasks.labelled.task_folders import task_folders
from metaopt.tasks.tables.csv_folder import joined_faults


def load_labelled_folder(folder: Path, kind: Kind) -> Corpus:
    """The corpus in a folder, a task for each folder of classes, in the order of their names.

    Args:
        folder: the corpus.
        kind: what it holds; see `kind_of`.

    Raises:
        InputError: folders that cannot be used, all of them in one message.
    """
    tasks, faults = [], []
    notes: list[str] = []
    folders = task_folders(folder, kind)
    settings = read_labelled_settings(folder, folders.kinds)
    if folders.note:
        notes.append(f"note: {folders.note}")
    for path, own in folders.kinds.items():
        try:
            made = task_of_folder(path, own, settings[path])
        except InputError as error:
            faults.append(error)
            continue
        tasks.append(made.task)
        notes.extend(f"warning: {path}: {sentence}" for sentence in made.leaks())
    if faults:
        fault = joined_faults(faults, folder, "folders")
        if folders.note:
            raise InputError(f"{fault} {folders.note}") from fault
        raise fault
    return Corpus(folder.resolve().name, tuple(tasks), tuple(notes))
