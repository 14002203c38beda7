"""Plugins that are known in this process alone, of a file or registered by hand, on their way to a worker."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

import cloudpickle

from metaopt.plugin import Entry, current_registry


def carried_plugins() -> list[bytes]:
    """Those of this process's registry that no worker finds by itself, each written down.

    One that cannot be written down is left out: a job that needs it fails by itself.
    """
    plugin_files_by_value()
    written = []
    for entry in current_registry().of_session():
        try:
            written.append(cloudpickle.dumps(entry))
        except Exception:  # whatever a stranger's plugin holds
            continue
    return written


def adopt_plugins(written: Sequence[bytes]) -> None:
    """Know in this process what `carried_plugins` wrote in another."""
    for each in written:
        try:
            entry: Entry = cloudpickle.loads(each)
        except Exception:  # whatever a stranger's plugin does when it is made; who needs it hears that it is not known
            continue
        current_registry().adopt(entry)


def plugin_files_by_value() -> None:
    """Have the modules of plugin files sent whole: workers cannot import them by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("metaopt_plugin_"):
            cloudpickle.register_pickle_by_value(module)


def worker_setup() -> Callable[[], None]:
    """What a worker calls before anything else, so that it trains as the driver would; it can be pickled."""
    return partial(_set_up, carried_plugins())


def _set_up(plugins: Sequence[bytes]) -> None:
    import torch

    torch.set_num_threads(1)
    adopt_plugins(plugins)
