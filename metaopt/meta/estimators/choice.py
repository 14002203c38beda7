"""The estimator that a learned part is meta-trained with."""

from collections.abc import Mapping

from torch import Tensor

from metaopt.contracts import MetaTraining
from metaopt.meta.estimators.backprop import Backprop
from metaopt.meta.estimators.contract import Estimator
from metaopt.meta.estimators.evolution import Evolution
from metaopt.meta.estimators.parallel_trainings import Trainings
from metaopt.meta.estimators.policy_gradient import PolicyGradient
from metaopt.meta.estimators.reptile import Reptile
from metaopt.meta.unrolls import Unrolls
from metaopt.space import Value


def new_estimator(
    meta: MetaTraining, values: Mapping[str, Value], unrolls: Unrolls, theta: Mapping[str, Tensor], num_steps: int
) -> Estimator:
    """The estimator for one task.

    Args:
        meta: what the plugin declares.
        values: hyperparameters of its meta-training.
        unrolls: the task's inner loops.
        theta: any weights.
        num_steps: of the longest inner loop.
    """
    if meta.estimator == "reptile":
        return Reptile(unrolls, num_steps)
    if not meta.over_trainings:
        return Backprop(unrolls, num_steps, meta.truncation, meta.objective == "trajectory")
    trainings = Trainings(
        unrolls.learner,
        theta,
        longest=num_steps,
        truncation=meta.truncation or num_steps,
        rescaled=float(values["rescaled"]),
        mode=unrolls.mode,
    )
    deviation = float(values["deviation"])
    if meta.policy is not None:
        return PolicyGradient(trainings, meta.policy, deviation)
    logarithmic = meta.objective == "log_trajectory"
    return Evolution(trainings, deviation, meta.estimator == "pes", logarithmic, float(values["late"]))
