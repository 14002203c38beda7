"""The two frozen references of each task, and the pool of tuning trials that the long-tuned one was chosen from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import AnyTask, BlackBoxTask, Curve, FewShotTask, Task
from metaopt.errors import InputError
from metaopt.plugin import Registry
from metaopt.tuning.judging.scores import BEST, AnyScale, RatioScale, Scale, best_so_far
from metaopt.tuning.judging.shipped_references import adopt
from metaopt.tuning.ledger.evaluations import evaluation_key
from metaopt.tuning.running.evaluator import Evaluator, Request
from metaopt.tuning.search.joint_space import JointSpace, joint_space
from metaopt.tuning.search.trial_stand_ins import RandomChooser

#: What people use without tuning: AdamW at a constant learning rate of 1e-3.
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
    space = pool_space(registry)
    generator = np.random.default_rng(_POOL_SEED)
    return [space.suggest(RandomChooser(generator)) for _ in range(size)]


def pool_space(registry: Registry) -> JointSpace:
    """What tuning trials of a task's own choose from."""
    return joint_space(
        registry, optimizers=("adamw", "nadamw"), controllers=("constant", "linear", "cosine"), wrappers=()
    )


def references(evaluator: Evaluator, tasks: Sequence[AnyTask], baseline: Configuration) -> dict[str, Reference]:
    """Each task's references by its name, computed where the ledger does not hold them and no corpus ships them.

    Raises:
        InputError: the baseline never had a finite value on a task that it alone is the reference of.
    """
    adopt_shipped(evaluator, tasks, baseline)
    supervised = [task for task in tasks if isinstance(task, Task)]
    trials = pool_configurations(evaluator.registry)
    first = evaluator.curves([baseline, *trials], supervised, REFERENCE_SEEDS[:1])
    pools = {task.name: [first[trial.key, task.name, REFERENCE_SEEDS[0]] for trial in trials] for task in supervised}
    winners = {name: trials[int(np.argmin([final_value(curve) for curve in pool]))] for name, pool in pools.items()}
    runs = evaluator.answer(
        [Request(task, (baseline, winners[task.name]), REFERENCE_SEEDS) for task in supervised]
        + [Request(task, (baseline,), REFERENCE_SEEDS[:1]) for task in tasks if not isinstance(task, Task)]
    )
    by_task: dict[str, Reference] = {}
    for task in tasks:
        if task.name in pools:
            base, tuned = (
                [runs[configuration.key, task.name, seed] for seed in REFERENCE_SEEDS]
                for configuration in (baseline, winners[task.name])
            )
            by_task[task.name] = Reference(Scale.of(base, tuned), tuple(pools[task.name]))
        else:
            curve = runs[baseline.key, task.name, REFERENCE_SEEDS[0]]
            _check_finite(task, curve, baseline)
            best = np.inf if isinstance(task, FewShotTask) else BEST
            values = float(best_so_far(curve)[-1]), curve.test_at_best()
            by_task[task.name] = Reference(RatioScale(*values, best=best), ())
    return by_task


def check_scored(tasks: Sequence[AnyTask], references: Mapping[str, Reference]) -> None:
    """Refuse to judge anything on tasks none of which has a reference that says what a good value is.

    Raises:
        InputError: there are none others.
    """
    if tasks and all(references[task.name].scale.weight == 0 for task in tasks):
        raise InputError(
            f"No reference run stayed finite on {tasks[0].name!r}{_and_others(len(tasks) - 1)}, so nothing can be "
            "judged there; check their losses, metrics and data."
        )


def adopt_shipped(evaluator: Evaluator, tasks: Sequence[AnyTask], baseline: Configuration) -> None:
    """Write to the ledger what registered corpora ship for tasks of which it lacks a reference."""
    configurations = [baseline, *pool_configurations(evaluator.registry)]
    first = {
        task.fingerprint: [
            evaluation_key(assemble(configuration, evaluator.registry), task, REFERENCE_SEEDS[0])
            for configuration in configurations
        ]
        for task in tasks
        if isinstance(task, Task)
    }
    known = evaluator.ledger.find(key for keys in first.values() for key in keys)
    lacking = {fingerprint for fingerprint, keys in first.items() if not all(key in known for key in keys)}
    adopt(evaluator, lacking, configurations)


def reference_evaluations(tasks: Sequence[AnyTask]) -> int:
    """Training runs that the references of these tasks cost if none is in the ledger."""
    supervised = sum(isinstance(task, Task) for task in tasks)
    return supervised * (POOL_SIZE + 2 * len(REFERENCE_SEEDS) - 1) + (len(tasks) - supervised)


def final_value(curve: Curve) -> float:
    """What a tuning trial is chosen by: the best validation value, infinite for a run that diverged."""
    return float("inf") if curve.diverged else float(best_so_far(curve)[-1])


def _check_finite(task: AnyTask, curve: Curve, baseline: Configuration) -> None:
    if curve.best_index() is None:
        fault = "yields" if isinstance(task, BlackBoxTask) else "reaches"
        raise InputError(
            f"Task {task.name!r} {fault} no finite value with the baseline ({baseline.optimizer}), so nothing can be "
            "compared with it; mend the task, or name another baseline."
        )


def _and_others(count: int) -> str:
    return f" or on {count} other task{'s' if count > 1 else ''}" if count else ""
