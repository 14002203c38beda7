"""Turn whatever holds tasks into a corpus: a Corpus, tasks, train functions, a function that makes any of them."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from metaopt.contracts import AnyTask, BlackBoxTask, Corpus, FewShotTask, Task
from metaopt.errors import InputError, MetaOptError, is_interrupt, named_line

BLACK_BOX_FAMILY = "black_box"

_WANTED = "a Corpus, a Task, several Tasks, or a function train(recipe, seed)"


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
