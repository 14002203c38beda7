"""What a learned part is meta-trained with: its estimator, and whether graphs are compiled."""

from collections.abc import Mapping

from metaopt.contracts import FewShotTask, MetaTraining, Theta
from metaopt.inner import Compile, GraphMode
from metaopt.meta.estimators.backprop import Backprop
from metaopt.meta.estimators.contract import Estimator
from metaopt.meta.estimators.evolution import Evolution
from metaopt.meta.estimators.parallel_trainings import Trainings
from metaopt.meta.estimators.policy_gradient import PolicyGradient
from metaopt.meta.estimators.reptile import Reptile
from metaopt.meta.unrolls import Unrolls
from metaopt.space import Value

#: Inner steps of single episodes from which on compiling repays itself.
COMPILE_STEPS = 200_000
#: Steps in one graph up to which it is compiled: more take minutes.
MOST_STEPS = 5
#: A model's tensors up to which a graph of one step of evolution is compiled: each takes seconds.
MOST_TENSORS = 8


def new_estimator(
    meta: MetaTraining, values: Mapping[str, Value], unrolls: Unrolls, theta: Theta, num_steps: int
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
        unrolls.inner_loop,
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


def graph_mode(task: FewShotTask, meta: MetaTraining, num_steps: int, compile: Compile) -> GraphMode:
    """How a task's graphs are run.

    Args:
        task: what is trained on.
        meta: how the rule is meta-trained.
        num_steps: of an inner loop.
        compile: `"on"` and `"off"` decide; `"auto"` compiles where counts say that it repays itself.
    """
    if compile == "auto":
        if meta.over_trainings:
            small = len(list(task.build(0).parameters())) <= MOST_TENSORS
        else:
            small = min(num_steps, meta.truncation or num_steps) <= MOST_STEPS
        repaid = task.num_iterations * task.episodes_per_iteration * num_steps >= COMPILE_STEPS
        return "compiled" if repaid and small else "replayed"
    return "compiled" if compile == "on" else "replayed"
