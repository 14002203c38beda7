"""What a worker needs of its machine, as tasks and as Ray call it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

#: What a worker needs, by name as in `Task.resources`.
Kind: TypeAlias = frozenset[tuple[str, float]]

#: What a block needs that says nothing.
_DEFAULT = {"num_cpus": 1.0}
#: Names of resources as tasks call them, and as Ray's machines do; others are the cluster's own.
_OF_MACHINES = {"num_cpus": "CPU", "num_gpus": "GPU"}


def kind_of(resources: Mapping[str, float]) -> Kind:
    """The kind of worker that these resources ask for."""
    return frozenset((name, float(amount)) for name, amount in {**_DEFAULT, **resources}.items())


def on_machines(kind: Kind) -> dict[str, float]:
    """What it needs, as machines call it."""
    return {_OF_MACHINES.get(name, name): amount for name, amount in kind}


def options(kind: Kind) -> dict[str, Any]:
    """What Ray makes such a worker with; it is not begun again by Ray, since its blocks are repeated by us."""
    amounts = dict(kind)
    known = {name: amounts.pop(name) for name in list(amounts) if name in _OF_MACHINES}
    return {**known, "resources": amounts, "max_restarts": 0, "max_task_retries": 0}


def shown(kind: Kind) -> str:
    """It, as messages show it."""
    return ", ".join(f"{name}={amount:g}" for name, amount in sorted(kind))
