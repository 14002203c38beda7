"""The two frozen references of each task, and the pool of tuning trials that the long-tuned one was chosen from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, Curve, Task
from metaopt.registry import Registry
from metaopt.tuning.choosers import RandomChooser
from metaopt.tuning.evaluator import Evaluator
from metaopt.tuning.scores import AnyScale, RatioScale, Scale, best_so_far
from metaopt.tuning.search_space import JointSpace, joint_space

#: What everyone uses who has not tuned: AdamW, learning rate 1e-3, constant.
DEFAULT_BASELINE = Configuration("adamw", hparams={"adamw.lr": 1e-3})
#: Random tuning trials a task gets of its own; the best of them is the long-tuned reference.
POOL_SIZE = 32
#: Seeds of both references, so that their difference can be held against the noise.
REFERENCE_SEEDS = (0, 1, 2)
_POOL_SEED = 20_011


@dataclass(frozen=True)
class Reference:
    """What is known of a task before tuning.

    Attributes:
        scale: how its runs are scored.
        pool: one curve for each random tuning trial of the task's own; empty for black-box tasks.
    """

    scale: AnyScale
    pool: tuple[Curve, ...]


def pool_configurations(registry: Registry, size: int = POOL_SIZE) -> list[Configuration]:
    """The random tuning trials: AdamW or NAdamW, constant, linear or cosine, everything tunable drawn at random.

    The same for every task and every study, so that the ledger needs them once.
    """
    space: JointSpace = joint_space(
        registry, optimizers=("adamw", "nadamw"), controllers=("constant", "linear", "cosine"), wrappers=()
    )
    generator = np.random.default_rng(_POOL_SEED)
    return [space.suggest(RandomChooser(generator)) for _ in range(size)]


def references(evaluator: Evaluator, tasks: Sequence[AnyTask], baseline: Configuration) -> dict[str, Reference]:
    """Each task's references by its name, computed where the ledger does not hold them."""
    return {task.name: _reference(evaluator, task, baseline) for task in tasks}


def reference_evaluations(tasks: Sequence[AnyTask]) -> int:
    """Training runs that the references of these tasks cost if none is in the ledger."""
    supervised = sum(isinstance(task, Task) for task in tasks)
    return supervised * (POOL_SIZE + 2 * len(REFERENCE_SEEDS) - 1) + (len(tasks) - supervised)


def _reference(evaluator: Evaluator, task: AnyTask, baseline: Configuration) -> Reference:
    if not isinstance(task, Task):
        curve = evaluator.curves([baseline], [task], [0])[baseline.key, task.name, 0]
        return Reference(RatioScale(float(best_so_far(curve)[-1]), curve.test_at_best()), ())
    trials = pool_configurations(evaluator.registry)
    seed = REFERENCE_SEEDS[0]
    first = evaluator.curves([baseline, *trials], [task], [seed])
    pool = [first[trial.key, task.name, seed] for trial in trials]
    finals = [float(best_so_far(curve)[-1]) if not curve.diverged else np.inf for curve in pool]
    winner = trials[int(np.argmin(finals))]
    runs = evaluator.curves([baseline, winner], [task], REFERENCE_SEEDS)
    return Reference(
        scale=Scale.of(
            [runs[baseline.key, task.name, seed] for seed in REFERENCE_SEEDS],
            [runs[winner.key, task.name, seed] for seed in REFERENCE_SEEDS],
        ),
        pool=tuple(pool),
    )
