"""`corpus.toml`: what is said of folders of images or texts by class.

In a folder that is one task, keys stand at the top. In a folder of task folders there is a table a task, and
`[defaults]` for all; a task's folder may have a `corpus.toml` of its own, which is over both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from metaopt.errors import InputError, did_you_mean, listed, quoted
from metaopt.tasks.labelled.layout import Kind
from metaopt.tasks.tables.metrics import METRICS
from metaopt.tasks.tables.settings import CHECKS, FILE_NAME, Checks, checked_value, is_number, settings_as_written
from metaopt.tasks.tables.splitting import FRACTION
from metaopt.tasks.texts.tokens import LENGTH, VOCABULARY

#: Files that can be left out.
FILES = ("broken", "rare_class", "nested")


@dataclass(frozen=True)
class LabelledSettings:
    """What is said of one folder of examples by class, or what holds without it.

    Attributes:
        task: `"classification"`; `"episodes"` makes a few-shot task of images.
        family: `"image_classification"` or `"text_classification"` if left out.
        validation: fraction of the examples, taken as it is; if left out .2, of at most 2,000.
        test: fraction of the examples, taken as it is; if left out .2, of at most 4,000.
        model: `"package.module:factory"`, called with `(shape, num_classes)`, the shape being channels, height and
            width, or with `(num_tokens, num_classes)`; a small network if left out.
        width: by how much the small network is wider.
        batch_size: examples a training step; never more than there are to train on.
        num_steps: training steps of a run.
        num_validations: validations of a run.
        metric: what is validated and reported, of `metaopt.tasks.tables.metrics.METRICS`; the loss if left out.
        class_weights: `"balanced"`, or a weight a class.
        drop_files: of FILES, which to leave out.
        size: of images: pixels each way, or height and width; see `metaopt.tasks.images.pixels.format_of`.
        channels: of images: 1, grey; 3, colours; 4, transparency too; by the files if left out.
        augment: of images: what changes training images; see `metaopt.tasks.images.augmentation`.
        tokens: of texts: `"words"` or `"characters"`; by their lengths if left out.
        vocabulary: of texts: how many different tokens count.
        length: of texts: tokens of each that are read.
        encoding: of texts, such as `"cp1250"`.
    """

    task: str | None = None
    family: str | None = None
    validation: float | None = None
    test: float | None = None
    model: str | None = None
    width: float = 1.0
    batch_size: int = 64
    num_steps: int = 400
    num_validations: int = 20
    metric: str | None = None
    class_weights: "str | Mapping[str, float] | None" = None
    drop_files: tuple[str, ...] = ()
    size: "int | tuple[int, int] | None" = None
    channels: int | None = None
    augment: tuple[str, ...] = ()
    tokens: str | None = None
    vocabulary: int = VOCABULARY
    length: int = LENGTH
    encoding: str | None = None


#: What folders and files of texts are, where both might be: at the top of `corpus.toml`.
LAYOUT, BY_FOLDER, BY_FILE = "layout", "CLASS/TEXT.txt", "TASK/CLASS.txt"

_FOR_IMAGES, _FOR_TEXTS = ("size", "channels", "augment"), ("tokens", "vocabulary", "length", "encoding")


def read_labelled_settings(folder: Path, tasks: Mapping[Path, Kind]) -> dict[Path, LabelledSettings]:
    """Settings of each task.

    Args:
        folder: the corpus.
        tasks: folders that are tasks, `folder` itself or some in it, and what they hold.

    Raises:
        InputError: not TOML, a table without a folder, an unknown key, a value that cannot be.
    """
    tables = {key: value for key, value in settings_as_written(folder).items() if key != LAYOUT}
    if list(tasks) == [folder]:
        return {folder: _parsed(LabelledSettings(), tables, tasks[folder], str(folder / FILE_NAME))}
    names = {task.name: task for task in tasks}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(
                f"{folder / FILE_NAME}: {listed([name])} stands outside of all tables; write it under [defaults] or "
                f"under the name of a task's folder: {listed(names, 5)}."
            )
        if name != "defaults" and name not in names:
            hint = did_you_mean(name, names, " ({})")
            raise InputError(f"{folder / FILE_NAME}: there is no folder for the table [{listed([name])}]{hint}.")
    settings = {}
    for name, task in names.items():
        common = _parsed(LabelledSettings(), tables.get("defaults", {}), None, f"{folder / FILE_NAME}, [defaults]")
        told = _parsed(common, tables.get(name, {}), tasks[task], f"{folder / FILE_NAME}, [{name}]")
        settings[task] = _parsed(told, settings_as_written(task), tasks[task], str(task / FILE_NAME))
    return settings


def written_layout(folder: Path, kind: Kind) -> str | None:
    """BY_FOLDER or BY_FILE, where the owner of a folder of texts says which.

    Raises:
        InputError: it is neither, or the folder holds images.
    """
    written = settings_as_written(folder).get(LAYOUT)
    if written is not None and (kind != "texts" or written not in (BY_FOLDER, BY_FILE)):
        raise InputError(
            f"{folder / FILE_NAME}: {LAYOUT} must be {BY_FOLDER!r} or {BY_FILE!r}, of texts, got {quoted(written)}"
            f"{'' if kind == 'texts' else f' of {kind}'}."
        )
    return written


def are_episodes(folder: Path) -> bool:
    """Whether a folder's `corpus.toml` says that its images are for few-shot tasks."""
    written = settings_as_written(folder)
    return written.get("task") == "episodes" or "episodes" in written


def _parsed(base: LabelledSettings, table: Mapping[str, Any], kind: Kind | None, where: str) -> LabelledSettings:
    foreign = {"images": _FOR_TEXTS, "texts": _FOR_IMAGES}.get(kind or "", ())
    checks = {key: check for key, check in _CHECKS.items() if key not in foreign}
    settings = replace(base, **{key: checked_value(key, value, where, checks) for key, value in table.items()})
    validation, test = settings.validation or FRACTION, settings.test or FRACTION
    if validation + test >= 1:
        raise InputError(f"{where}: validation and test must leave examples to train on, got {validation} and {test}.")
    return settings


def _is_some_of(names: Sequence[str]) -> Any:
    return lambda value: isinstance(value, list) and all(isinstance(name, str) and name in names for name in value)


_METRICS = tuple(name for name, metric in METRICS.items() if metric.is_for_classes)
_OWN_CHECKS: Checks = {
    "task": (lambda value: value == "classification", "'classification', or in a folder of one task 'episodes'"),
    "width": (lambda value: is_number(value) and 0.25 <= value <= 64, "a number from 0.25 to 64"),
    "metric": (lambda value: value in _METRICS, f"one of {', '.join(_METRICS)}"),
    "drop_files": (_is_some_of(FILES), f"a list of {', '.join(FILES)}"),
}
_CHECKS: Checks = {
    field.name: _OWN_CHECKS[field.name] if field.name in _OWN_CHECKS else CHECKS[field.name]
    for field in fields(LabelledSettings)
}
