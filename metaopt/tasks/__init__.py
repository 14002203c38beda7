"""Readers of tasks: registered corpora, folders of CSVs, Python modules, lists."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.tasks.images.class_episodes import PARTITIONS
    from metaopt.tasks.source import load_corpus
    from metaopt.tasks.tables.cells import clean, numbers_in
    from metaopt.tasks.tables.csv_file import read_cells

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "clean": "metaopt.tasks.tables.cells",
    "numbers_in": "metaopt.tasks.tables.cells",
    "PARTITIONS": "metaopt.tasks.images.class_episodes",
    "read_cells": "metaopt.tasks.tables.csv_file",
    "load_corpus": "metaopt.tasks.source",
}

__all__ = ["PARTITIONS", "clean", "load_corpus", "numbers_in", "read_cells"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
