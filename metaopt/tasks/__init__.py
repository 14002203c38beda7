"""Readers of tasks: registered corpora, folders of CSVs, Python modules, lists."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.tasks.images.class_episodes import PARTITIONS, ClassEpisodes, Classes
    from metaopt.tasks.images.conv4 import Conv4
    from metaopt.tasks.images.corpus import accuracy
    from metaopt.tasks.images.folder import read_image_folder
    from metaopt.tasks.kinds import folder_kind
    from metaopt.tasks.labelled.folder_report import inspect_labelled_folder
    from metaopt.tasks.source import Source, describe_corpus, load_corpus
    from metaopt.tasks.tables.columns.cells import clean, numbers_in
    from metaopt.tasks.tables.reading.csv_file import read_cells
    from metaopt.tasks.tables.showing.folder_report import FolderReport, inspect_folder
    from metaopt.tasks.tables.showing.table_report import TableReport

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "ClassEpisodes": "metaopt.tasks.images.class_episodes",
    "Classes": "metaopt.tasks.images.class_episodes",
    "PARTITIONS": "metaopt.tasks.images.class_episodes",
    "Conv4": "metaopt.tasks.images.conv4",
    "accuracy": "metaopt.tasks.images.corpus",
    "folder_kind": "metaopt.tasks.kinds",
    "inspect_labelled_folder": "metaopt.tasks.labelled.folder_report",
    "read_image_folder": "metaopt.tasks.images.folder",
    "Source": "metaopt.tasks.source",
    "describe_corpus": "metaopt.tasks.source",
    "load_corpus": "metaopt.tasks.source",
    "clean": "metaopt.tasks.tables.columns.cells",
    "numbers_in": "metaopt.tasks.tables.columns.cells",
    "read_cells": "metaopt.tasks.tables.reading.csv_file",
    "FolderReport": "metaopt.tasks.tables.showing.folder_report",
    "inspect_folder": "metaopt.tasks.tables.showing.folder_report",
    "TableReport": "metaopt.tasks.tables.showing.table_report",
}

__all__ = [
    "PARTITIONS",
    "ClassEpisodes",
    "Classes",
    "Conv4",
    "FolderReport",
    "Source",
    "TableReport",
    "accuracy",
    "clean",
    "describe_corpus",
    "folder_kind",
    "inspect_folder",
    "inspect_labelled_folder",
    "load_corpus",
    "numbers_in",
    "read_cells",
    "read_image_folder",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
