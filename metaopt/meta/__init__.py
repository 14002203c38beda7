"""Meta-training: how learned rules and learners get their weights.

A call leads through these layers, each with one job:

- `meta_training`: from tasks to a recipe with weights
- `trainer`: the outer loop, its validations and checkpoints
- `subject`: what is learned, a rule or a learner, as first weights and an estimator for each task
- `estimators`: from an iteration's episodes to a meta-gradient
- `unrolls`: inner loops within a limit of memory, in parts and segments; estimators over whole trainings have
  `parallel_trainings` instead
- `vmapped_episode`: one episode's inner loop for many episodes side by side, or one after the other
- `inner_loop`: one episode's inner loop: the model's loss and metric as functions of parameters, and the rule's steps

A learner (`metaopt.LearnerSpec`) has no inner loop: `estimators.comparing` and `metaopt.learners` are all it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.meta.checkpoint import has_checkpoint, has_checkpoint_of
    from metaopt.meta.evaluation import adapted_metrics, few_shot_metrics
    from metaopt.meta.initial_theta import fingerprint
    from metaopt.meta.inner_loop import InnerLoop, inner_steps
    from metaopt.meta.meta_training import MetaTrainResult, learned_recipe, meta_train
    from metaopt.meta.state import MetaProgress, MetaTrained
    from metaopt.meta.subject import comparison_on
    from metaopt.meta.task_episodes import few_shot
    from metaopt.meta.trainer import NeverFiniteError, Trainer
    from metaopt.meta.unrolls import LIMIT, Unrolls
    from metaopt.meta.vmapped_episode import Window, check_adapts

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "has_checkpoint": "metaopt.meta.checkpoint",
    "has_checkpoint_of": "metaopt.meta.checkpoint",
    "adapted_metrics": "metaopt.meta.evaluation",
    "few_shot_metrics": "metaopt.meta.evaluation",
    "fingerprint": "metaopt.meta.initial_theta",
    "InnerLoop": "metaopt.meta.inner_loop",
    "inner_steps": "metaopt.meta.inner_loop",
    "MetaTrainResult": "metaopt.meta.meta_training",
    "learned_recipe": "metaopt.meta.meta_training",
    "meta_train": "metaopt.meta.meta_training",
    "MetaProgress": "metaopt.meta.state",
    "MetaTrained": "metaopt.meta.state",
    "comparison_on": "metaopt.meta.subject",
    "few_shot": "metaopt.meta.task_episodes",
    "NeverFiniteError": "metaopt.meta.trainer",
    "Trainer": "metaopt.meta.trainer",
    "LIMIT": "metaopt.meta.unrolls",
    "Unrolls": "metaopt.meta.unrolls",
    "Window": "metaopt.meta.vmapped_episode",
    "check_adapts": "metaopt.meta.vmapped_episode",
}

__all__ = [
    "LIMIT",
    "InnerLoop",
    "MetaProgress",
    "MetaTrainResult",
    "MetaTrained",
    "NeverFiniteError",
    "Trainer",
    "Unrolls",
    "Window",
    "adapted_metrics",
    "check_adapts",
    "comparison_on",
    "few_shot",
    "few_shot_metrics",
    "fingerprint",
    "has_checkpoint",
    "has_checkpoint_of",
    "inner_steps",
    "learned_recipe",
    "meta_train",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
