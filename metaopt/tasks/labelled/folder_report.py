"""What a folder of images or texts by class, or of several such folders, would be trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from metaopt.tasks.labelled.layout import Kind
from metaopt.tasks.labelled.report import report_of_folder
from metaopt.tasks.labelled.settings import read_labelled_settings
from metaopt.tasks.labelled.task_folders import task_folders
from metaopt.tasks.tables.settings import settings_as_written
from metaopt.tasks.tables.showing.folder_report import FolderReport
from metaopt.tasks.tables.showing.proposals import merged, toml_of
from metaopt.tasks.tables.showing.table_report import TableReport


def inspect_labelled_folder(folder: Path, kind: Kind) -> FolderReport:
    """Read all examples of a folder as training would, and tell all that stands against it at once.

    Args:
        folder: the corpus.
        kind: what it holds; see `kind_of`.

    Raises:
        InputError: no class of examples, or a `corpus.toml` that cannot be read.
    """
    found = task_folders(folder, kind)
    folders = found.kinds
    settings = read_labelled_settings(folder, folders)
    reports = tuple(report_of_folder(path, own, settings[path]) for path, own in folders.items())
    notes = (found.note,) if found.note else ()
    return FolderReport(str(folder), reports, _toml(folder, reports, is_one=list(folders) == [folder]), notes)


def _toml(folder: Path, reports: Sequence[TableReport], *, is_one: bool) -> str:
    """What is written, with what is proposed: at the top for a folder that is one task, else a table a task."""
    proposals = {report.name: {k: v for k, v in report.settings.items() if v} for report in reports}
    if not any(proposals.values()):
        return ""
    written = settings_as_written(folder)
    if is_one:
        (proposal,) = proposals.values()
        return toml_of({"": {**written, **merged(proposal, ())}}, {})
    top = {key: value for key, value in written.items() if not isinstance(value, dict)}
    tables: dict[str, Mapping[str, object]] = {"": top} if top else {}
    tables |= {name: dict(keys) for name, keys in written.items() if name not in top}
    for name, keys in proposals.items():
        if keys:
            tables[name] = {**tables.get(name, {}), **merged(keys, ())}
    return toml_of(tables, {})
