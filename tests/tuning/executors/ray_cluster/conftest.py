"""Workers of a cluster for blocks that train nothing."""

from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.named import executor_named
from metaopt.tuning.executors.protocol import ExecutorSettings


def light(workers, address, announce=lambda line: None, setup=lambda: None):
    """A dispatcher to workers that import nothing before their first block."""
    settings = ExecutorSettings(workers=workers, address=address, setup=lambda: setup, announce=announce)
    return Dispatcher(executor_named("ray", settings), announce=announce)
