"""Executors by name: those that come with metaopt, and those of installed distributions.

They are no kind of plugin beside optimizers and stoppers: nothing that one does enters a recipe, a ledger's key or a
search space, so it has neither hyperparameters nor a version, and the conformance kit has nothing to say of it.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from metaopt.errors import InputError, did_you_mean, is_interrupt, named_line, quoted
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.protocol import Executor, ExecutorError, ExecutorSettings
from metaopt.tuning.running.carried_plugins import worker_setup

#: Entry points of executors: each names a function `create(settings) -> Executor`, which may return None for a driver
#: that trains by itself.
GROUP = "metaopt.executors"
#: Those that come with metaopt.
LOCAL = "local"
_MODULES = {LOCAL: "metaopt.tuning.executors.local", "ray": "metaopt.tuning.executors.ray_cluster.create"}


def dispatcher(
    name: str, workers: int | None, address: str | None, announce: Callable[[str], None], storage: Path | None
) -> Dispatcher | None:
    """What gives blocks to the executor of a name, or None where the driver trains by itself.

    Args:
        name: of the executor.
        workers: slots at most; None to leave it to the executor.
        address: of the cluster; None to leave it to the executor.
        announce: told in one line whenever there is something to say.
        storage: the file of the ledger, beside which the executor's log lies.

    Raises:
        InputError: there is none of this name.
        ExecutorError: it cannot be made; the message says why.
    """
    for what, value in (("executor", name), ("address", "" if address is None else address)):
        if not isinstance(value, str):
            raise InputError(f"{what} must be a text, got {quoted(value)}.")
    log_file = None if storage is None else Path(f"{storage}.{name}.log")
    executor = executor_named(
        name,
        ExecutorSettings(workers=workers, address=address, setup=worker_setup, announce=announce, log_file=log_file),
    )
    return None if executor is None else Dispatcher(executor, announce=announce)


def executor_named(name: str, settings: ExecutorSettings) -> Executor | None:
    """The executor of a name, or None where the driver trains by itself.

    Raises:
        InputError: there is none of this name.
        ExecutorError: it cannot be made; the message says why.
    """
    create = _create(name)
    try:
        return create(settings)
    except ExecutorError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's engine
        if is_interrupt(error):
            raise
        raise ExecutorError(f"The executor {name!r} cannot be used: {named_line(error)}.") from error


def _create(name: str) -> Callable[[ExecutorSettings], Executor | None]:
    if name in _MODULES:
        create: Callable[[ExecutorSettings], Executor | None] = import_module(_MODULES[name]).create
        return create
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        known = sorted({*_MODULES, *points})
        hint = did_you_mean(str(name), known, " {}")
        raise InputError(f"There is no executor {quoted(name)};{hint} known: {', '.join(known)}.")
    try:
        made: Callable[[ExecutorSettings], Executor | None] = points[name].load()
    except (Exception, SystemExit) as error:  # whatever a stranger's import raises
        if is_interrupt(error):
            raise
        raise ExecutorError(f"The executor {name!r} cannot be loaded: {named_line(error)}.") from error
    return made
