"""`load_corpus`: one door for every place that tasks come from, and `as_corpus` for every object that holds them."""

import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from metaopt.contracts import AnyTask, BlackBoxTask, Corpus, FewShotTask, Task
from metaopt.errors import InputError, MetaOptError, PluginError, did_you_mean, is_interrupt, listed, named_line, quoted
from metaopt.files import as_path, folders_like, is_folder
from metaopt.plugin import CorpusSpec, Registry, current_registry
from metaopt.tasks.images.corpus import load_image_folder
from metaopt.tasks.kinds import folder_kind
from metaopt.tasks.labelled.corpus import load_labelled_folder
from metaopt.tasks.module_attribute import load_attribute
from metaopt.tasks.tables.csv_folder import load_csv_folder, table_task

#: What `load_corpus` takes.
Source: TypeAlias = str | os.PathLike[str] | Corpus | AnyTask | Iterable[Any]

#: The family of bare functions `train(recipe, seed)`.
BLACK_BOX_FAMILY = "black_box"

_WANTED = "a Corpus, a Task, several Tasks, or a function train(recipe, seed)"


def load_corpus(source: Source) -> Corpus:
    """Make a corpus of whatever holds tasks.

    A registered name wins over a folder of the same name; write `./name` for the folder.

    Args:
        source: one of these: a registered name (`"starter"`); a folder of CSVs, one file a task, header first, target
            last, with an optional `corpus.toml`; a folder of images or texts by class; the
            `"package.module:attribute"` of a corpus, of tasks or of a function that makes them; a Corpus, a Task, or
            several Tasks and functions `train(recipe, seed)`.

    Raises:
        InputError: there is no such source, or it does not hold tasks.

    Example:
        >>> import metaopt, torch
        >>> rows = metaopt.Split(torch.randn(32, 2), torch.randn(32, 1))
        >>> task = metaopt.Task(
        ...     name="line",
        ...     family="lines",
        ...     model=lambda: torch.nn.Linear(2, 1),
        ...     data=metaopt.Splits(rows, rows, rows),
        ...     loss=torch.nn.functional.mse_loss,
        ... )
        >>> len(metaopt.load_corpus([task]))
        1
    """
    if isinstance(source, Corpus):
        return source
    if isinstance(source, str):
        return _load_text(source)
    if isinstance(source, os.PathLike):
        return _load_folder(Path(source))
    return as_corpus(source, name="tasks", where="The corpus")


def task_to_fit(source: Task | str | Path) -> Task:
    """A task as it is, or that of a table's file, by which a `corpus.toml` may lie, or of a folder that is one task.

    Raises:
        InputError: it is no task, file or folder, holds several tasks, or cannot be used.
    """
    if not isinstance(source, str | Path):
        return table_task(source)
    folder = as_path(source, "What is trained on")
    kind = folder_kind(folder)
    if kind == "tables":
        return table_task(source)
    if kind == "episodes":
        raise InputError(f"{quoted(folder)} holds few-shot tasks, for which a recipe is adapted: metaopt.adapt.")
    tasks = load_labelled_folder(folder, kind).tasks
    if len(tasks) > 1:
        raise InputError(
            f"{quoted(folder)} holds {len(tasks)} tasks of {kind}: {listed([task.name for task in tasks], 3)}; name "
            f"the folder of one, such as {quoted(folder / tasks[0].name)}."
        )
    return tasks[0]  # type: ignore[return-value]


def describe_corpus(corpus: Source, registry: Registry) -> str | None:
    """How to find the corpus again from anywhere, or None if it was made in Python."""
    if isinstance(corpus, os.PathLike):
        return str(Path(corpus).resolve())
    if not isinstance(corpus, str):
        return None
    named_folder = corpus not in registry.names(CorpusSpec) and is_folder(corpus)
    return str(Path(corpus).resolve()) if named_folder else corpus


def _load_text(source: str) -> Corpus:
    if not source.strip():
        raise InputError("A corpus without a name is none; write . for the current folder.")
    if source in current_registry().names(CorpusSpec):
        return _load_registered(source)
    if is_folder(source):
        return _load_folder(Path(source))
    if ":" in source:
        return as_corpus(load_attribute(source), name=source.partition(":")[2], where=quoted(source))
    if source.endswith((".csv", ".csv.gz")) or any(mark in source for mark in ("/", "\\")):
        return load_csv_folder(Path(source))
    return _load_registered(source)


def _load_folder(folder: Path) -> Corpus:
    kind = folder_kind(folder)
    if kind == "episodes":
        return load_image_folder(folder)
    return load_csv_folder(folder) if kind == "tables" else load_labelled_folder(folder, kind)


def _load_registered(name: str) -> Corpus:
    try:
        spec = current_registry().get(CorpusSpec, name)
    except PluginError as error:
        registered = did_you_mean(name, current_registry().names(CorpusSpec), "{}")
        hint = "." if registered else did_you_mean(name, folders_like(name), "; {}") or "."
        raise PluginError(f"{error} It is no folder and no 'package.module:attribute' either{hint}") from error
    try:
        corpus = spec.load()
    except MetaOptError:
        raise
    except BaseException as error:  # whatever a stranger's plugin raises is the plugin's fault, by name
        if is_interrupt(error):
            raise
        raise PluginError(f"Corpus plugin {name!r} failed to load: {named_line(error)}.") from error
    if not isinstance(corpus, Corpus):
        raise InputError(
            f"Corpus plugin {name!r} must return a metaopt.Corpus, got {type(corpus).__name__}; tell its author."
        )
    return corpus


def as_corpus(value: Any, name: str, where: str) -> Corpus:
    """A corpus of `value`.

    A callable that needs no argument is called, and its result taken; one that takes `(recipe, seed)` becomes a
    BlackBoxTask under its own name, in the family `black_box`, its value better when lower. Write a BlackBoxTask for
    anything else.

    Args:
        value: a Corpus, a Task, a BlackBoxTask, a callable, or an iterable of tasks and callables.
        name: the corpus's name, where it has none of its own.
        where: what to call `value` in messages.

    Raises:
        InputError: it holds no tasks, or making them failed.
    """
    if callable(value) and not _is_train_function(value, where):
        value = _call(value, where)
    if isinstance(value, Corpus):
        return value
    if isinstance(value, Task | BlackBoxTask | FewShotTask) or callable(value):
        return Corpus(name, (_as_task(value, where),))
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return Corpus(name, tuple(_as_task(item, f"{where}, item {index}") for index, item in enumerate(value)))
    raise InputError(f"{where} is a {type(value).__name__}; it must be {_WANTED}.")


def _as_task(item: Any, where: str) -> AnyTask:
    if isinstance(item, Task | BlackBoxTask | FewShotTask):
        return item
    if callable(item) and _is_train_function(item, where):
        name = getattr(item, "__name__", type(item).__name__)
        return BlackBoxTask(name=name, family=BLACK_BOX_FAMILY, train=item)
    raise InputError(f"{where} is a {type(item).__name__}; it must be a Task or a function train(recipe, seed).")


def _is_train_function(function: Callable[..., Any], where: str) -> bool:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where} does not say which arguments it takes; it must be {_WANTED}.") from error
    if list(signature.parameters)[:2] == ["recipe", "seed"]:
        return True
    if _accepts(signature, 0):
        return False
    if _accepts(signature, 2):
        return True
    raise InputError(f"{where} takes {signature!s:.80}; a function must be train(recipe, seed) or take no arguments.")


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _call(factory: Callable[[], Any], where: str) -> Any:
    try:
        return factory()
    except MetaOptError:
        raise
    except BaseException as error:  # a stranger's function: its fault, by name; `sys:exit` is one
        if is_interrupt(error):
            raise
        raise InputError(f"{where} raised {named_line(error)}; fix it and run again.") from error
