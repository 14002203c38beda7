"""Meta-training: what learned rules get their weights by."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.meta.checkpoint import has_checkpoint
    from metaopt.meta.compiling import Compile
    from metaopt.meta.evaluation import adapted_metrics, evaluated_episodes, few_shot_metrics, inner_steps, metrics
    from metaopt.meta.initial_theta import fingerprint
    from metaopt.meta.learner import Learner
    from metaopt.meta.meta_training import MetaTrainResult, meta_train
    from metaopt.meta.recipe_of_training import learned_recipe
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
    "adapted_metrics": "metaopt.meta.evaluation",
    "evaluated_episodes": "metaopt.meta.evaluation",
    "few_shot_metrics": "metaopt.meta.evaluation",
    "inner_steps": "metaopt.meta.evaluation",
    "metrics": "metaopt.meta.evaluation",
    "fingerprint": "metaopt.meta.initial_theta",
    "learned_recipe": "metaopt.meta.recipe_of_training",
    "Learner": "metaopt.meta.learner",
    "MetaTrainResult": "metaopt.meta.meta_training",
    "meta_train": "metaopt.meta.meta_training",
    "draw_batches": "metaopt.meta.sampling",
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
    "MetaTrainResult",
    "MetaTrained",
    "NeverFiniteError",
    "Trainer",
    "Unrolls",
    "Window",
    "adapted_metrics",
    "check_adapts",
    "check_vmappable",
    "draw_batches",
    "evaluated_episodes",
    "few_shot",
    "few_shot_metrics",
    "fingerprint",
    "has_checkpoint",
    "inner_steps",
    "learned_recipe",
    "meta_train",
    "metrics",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
