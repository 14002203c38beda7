"""What a folder of tables would be trained on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metaopt.errors import quoted
from metaopt.tasks.tables.csv_folder import table_files, workbooks
from metaopt.tasks.tables.settings import read_settings, settings_as_written
from metaopt.tasks.tables.showing.proposals import merged, toml_of
from metaopt.tasks.tables.showing.table_report import TableReport, report_of


@dataclass(frozen=True)
class FolderReport:
    """What a folder becomes.

    Attributes:
        folder: its path.
        tables: in the order of their files' names.
        toml: the `corpus.toml` that makes them train; empty where they do, or where nothing that it may say helps.
        notes: sentences about files that are not read.
    """

    folder: str
    tables: tuple[TableReport, ...]
    toml: str = ""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values."""
        return asdict(self)


def inspect_folder(folder: Path) -> FolderReport:
    """Read all tables of a folder as training would, and tell all that stands against it at once.

    Args:
        folder: of tables, with a `corpus.toml` or without.

    Raises:
        InputError: no folder, no table in it, or a `corpus.toml` that cannot be read.
    """
    files = table_files(folder)
    settings = read_settings(folder, files)
    tables = tuple(report_of(path, name, settings[name]) for name, path in files.items())
    notes = tuple(
        f"{quoted(path)} is a workbook, which is not read; save each of its sheets as CSV, one file a task."
        for path in workbooks(folder)
    )
    return FolderReport(str(folder), tables, _toml(folder, tables), notes)


def _toml(folder: Path, tables: tuple[TableReport, ...]) -> str:
    """What is written, with what is proposed."""
    proposals = {table.name: _stated(table.settings) for table in tables if table.settings}
    if not any(proposals.values()):
        return ""
    written = {name: dict(keys) for name, keys in settings_as_written(folder).items()}
    for name, keys in proposals.items():
        written[name] = {**written.get(name, {}), **merged(keys, ())}
    return toml_of(written, {table.name: table.choices for table in tables if table.name in written})


def _stated(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None and value not in ([], {})}
