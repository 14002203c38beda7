"""Folders of images or texts by class as a corpus: see `metaopt.tasks.labelled.layout`."""

from pathlib import Path

from metaopt.contracts import Corpus
from metaopt.errors import InputError
from metaopt.tasks.labelled.layout import Kind, task_folders
from metaopt.tasks.labelled.settings import read_labelled_settings
from metaopt.tasks.labelled.task import task_of_folder
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
    settings = read_labelled_settings(folder, folders)
    for path, own in folders.items():
        try:
            made = task_of_folder(path, own, settings[path])
        except InputError as error:
            faults.append(error)
            continue
        tasks.append(made.task)
        notes.extend(f"warning: {path}: {sentence}" for sentence in made.leaks())
    if faults:
        raise joined_faults(faults, folder, "folders")
    return Corpus(folder.resolve().name, tuple(tasks), tuple(notes))
