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
    from metaopt.tasks.labelled.new_examples.image_reader import ImageReader
    from metaopt.tasks.labelled.new_examples.prepared import example_reader, example_split
    from metaopt.tasks.labelled.new_examples.text_reader import TextReader
    from metaopt.tasks.labelled.splits import LabelledSource, LabelledSplits
    from metaopt.tasks.source import Source, describe_corpus, load_corpus, task_to_fit
    from metaopt.tasks.tables.columns.cells import clean, numbers_in
    from metaopt.tasks.tables.columns.conversion import How, decimal_in
    from metaopt.tasks.tables.columns.features import Features, check_features
    from metaopt.tasks.tables.division import CheckedTable
    from metaopt.tasks.tables.losses import class_loss, loss_of
    from metaopt.tasks.tables.metrics import METRICS, metric_of
    from metaopt.tasks.tables.new_rows.prepared import PreparedRows
    from metaopt.tasks.tables.new_rows.row_reader import NewRows, RowReader, unknown_labels
    from metaopt.tasks.tables.new_rows.target_scale import TargetScale
    from metaopt.tasks.tables.reading.arrow_file import typed_frame
    from metaopt.tasks.tables.reading.csv_file import read_cells
    from metaopt.tasks.tables.refusal import UnusableTableError, refused
    from metaopt.tasks.tables.settings import TableSettings
    from metaopt.tasks.tables.showing.folder_report import FolderReport, inspect_folder
    from metaopt.tasks.tables.showing.table_report import TableReport
    from metaopt.tasks.tables.splitting import MAX_VALIDATION_ROWS, Rows, redrawn_rows
    from metaopt.tasks.tables.table import TableSplits, model_factory
    from metaopt.tasks.tables.target import Target

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "ImageReader": "metaopt.tasks.labelled.new_examples.image_reader",
    "TextReader": "metaopt.tasks.labelled.new_examples.text_reader",
    "example_reader": "metaopt.tasks.labelled.new_examples.prepared",
    "example_split": "metaopt.tasks.labelled.new_examples.prepared",
    "LabelledSource": "metaopt.tasks.labelled.splits",
    "LabelledSplits": "metaopt.tasks.labelled.splits",
    "class_loss": "metaopt.tasks.tables.losses",
    "Rows": "metaopt.tasks.tables.splitting",
    "TargetScale": "metaopt.tasks.tables.new_rows.target_scale",
    "task_to_fit": "metaopt.tasks.source",
    "redrawn_rows": "metaopt.tasks.tables.splitting",
    "decimal_in": "metaopt.tasks.tables.columns.conversion",
    "MAX_VALIDATION_ROWS": "metaopt.tasks.tables.splitting",
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
    "NewRows": "metaopt.tasks.tables.new_rows.row_reader",
    "PreparedRows": "metaopt.tasks.tables.new_rows.prepared",
    "RowReader": "metaopt.tasks.tables.new_rows.row_reader",
    "unknown_labels": "metaopt.tasks.tables.new_rows.row_reader",
    "TableSplits": "metaopt.tasks.tables.table",
    "TableSettings": "metaopt.tasks.tables.settings",
    "loss_of": "metaopt.tasks.tables.losses",
    "metric_of": "metaopt.tasks.tables.metrics",
    "model_factory": "metaopt.tasks.tables.table",
    "METRICS": "metaopt.tasks.tables.metrics",
    "CheckedTable": "metaopt.tasks.tables.division",
    "check_features": "metaopt.tasks.tables.columns.features",
    "Features": "metaopt.tasks.tables.columns.features",
    "Target": "metaopt.tasks.tables.target",
    "How": "metaopt.tasks.tables.columns.conversion",
    "UnusableTableError": "metaopt.tasks.tables.refusal",
    "refused": "metaopt.tasks.tables.refusal",
    "typed_frame": "metaopt.tasks.tables.reading.arrow_file",
}

__all__ = [
    "MAX_VALIDATION_ROWS",
    "METRICS",
    "PARTITIONS",
    "CheckedTable",
    "ClassEpisodes",
    "Classes",
    "Conv4",
    "Features",
    "FolderReport",
    "How",
    "ImageReader",
    "LabelledSource",
    "LabelledSplits",
    "NewRows",
    "PreparedRows",
    "RowReader",
    "Rows",
    "Source",
    "TableReport",
    "TableSettings",
    "TableSplits",
    "Target",
    "TargetScale",
    "TextReader",
    "UnusableTableError",
    "accuracy",
    "check_features",
    "class_loss",
    "clean",
    "decimal_in",
    "describe_corpus",
    "example_reader",
    "example_split",
    "folder_kind",
    "inspect_folder",
    "inspect_labelled_folder",
    "load_corpus",
    "loss_of",
    "metric_of",
    "model_factory",
    "numbers_in",
    "read_cells",
    "read_image_folder",
    "redrawn_rows",
    "refused",
    "task_to_fit",
    "typed_frame",
    "unknown_labels",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
