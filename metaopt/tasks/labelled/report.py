"""What a folder of images or texts by class would be trained on, and all that stands against it."""

from pathlib import Path
from typing import Any

from torch import Tensor

from metaopt.tasks.labelled.layout import Kind
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.task import LabelledTask, task_of_folder
from metaopt.tasks.tables.showing.attempt import attempted
from metaopt.tasks.tables.showing.facts import facts_of_task
from metaopt.tasks.tables.showing.table_report import TableReport
from metaopt.tasks.tables.showing.text_report import shown_vocabulary
from metaopt.tasks.tables.target import Target


def report_of_folder(folder: Path, kind: Kind, settings: LabelledSettings) -> TableReport:
    """Read a task's folder as training reads it, and on after each refusal as if the owner had pasted what it proposes.

    Args:
        folder: of the task.
        kind: what it holds.
        settings: what `corpus.toml` says of it.
    """
    attempt = attempted(lambda current: task_of_folder(folder, kind, current), settings)
    name = folder.resolve().name
    sentences = tuple(refusal.sentence(str(folder)) for refusal in attempt.refusals)
    if attempt.made is None:
        return TableReport(name, str(folder), refusals=sentences, settings=attempt.proposal, trains=False)
    made = attempt.made
    columns = {kind: made.examples.form, "folders" if made.examples.are_folders else "files": "target"}
    lines = (*made.examples.hints, *(f"warning: {sentence}" for sentence in made.leaks()))
    return TableReport(name, str(folder), columns, _facts(made, kind), lines, sentences, attempt.proposal)


def _facts(made: LabelledTask, kind: Kind) -> dict[str, Any]:
    examples, task = made.examples, made.task
    target = Target("classification", examples.classes, len(examples.names), examples.names)
    return {
        "unit": kind,
        "rows": len(examples.classes),
        "rows left out": examples.num_left_out,
        "separator": "",
        "encoding": "",
        "target": "folders" if examples.are_folders else "files",
        "kind": "classification",
        "inputs": _inputs(made),
        **facts_of_task(task, target, made.rows.own),
    }


def _inputs(made: LabelledTask) -> str:
    if made.vocabulary is not None:
        return shown_vocabulary(made.vocabulary)
    assert isinstance(made.examples.contents, Tensor)
    channels, height, width = made.examples.contents.shape[1:]
    changes = "" if not made.augmentation else f", changed by {', '.join(made.augmentation)} while training"
    return f"images of {channels}×{height}×{width}{changes}"
