"""Meta-training: what learned rules get their weights by."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.meta.checkpoint import has_checkpoint
    from metaopt.meta.compiling import Compile
    from metaopt.meta.evaluation import evaluated_episodes, metrics
    from metaopt.meta.initial_theta import fingerprint
    from metaopt.meta.learner import Learner
    from metaopt.meta.sampling import draw_batches
    from metaopt.meta.state import MetaProgress, MetaTrained
    from metaopt.meta.task_episodes import few_shot
    from metaopt.meta.trainer import NeverFiniteError, Trainer
    from metaopt.meta.unrolls import LIMIT, Unrolls, Window
    from metaopt.meta.vmappable import check_adapts, check_vmappable

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "has_checkpoint": "metaopt.meta.checkpoint",
    "Compile": "metaopt.meta.compiling",
    "draw_batches": "metaopt.meta.sampling",
    "evaluated_episodes": "metaopt.meta.evaluation",
    "metrics": "metaopt.meta.evaluation",
    "Learner": "metaopt.meta.learner",
    "fingerprint": "metaopt.meta.initial_theta",
    "MetaProgress": "metaopt.meta.state",
    "MetaTrained": "metaopt.meta.state",
    "few_shot": "metaopt.meta.task_episodes",
    "NeverFiniteError": "metaopt.meta.trainer",
    "Trainer": "metaopt.meta.trainer",
    "LIMIT": "metaopt.meta.unrolls",
    "Unrolls": "metaopt.meta.unrolls",
    "Window": "metaopt.meta.unrolls",
    "check_adapts": "metaopt.meta.vmappable",
    "check_vmappable": "metaopt.meta.vmappable",
}

__all__ = [
    "LIMIT",
    "Compile",
    "Learner",
    "MetaProgress",
    "MetaTrained",
    "NeverFiniteError",
    "Trainer",
    "Unrolls",
    "Window",
    "check_adapts",
    "check_vmappable",
    "draw_batches",
    "evaluated_episodes",
    "few_shot",
    "fingerprint",
    "has_checkpoint",
    "metrics",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
