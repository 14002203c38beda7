"""The two frozen references of each task, and the pool of tuning trials that the long-tuned one was chosen from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import REDRAWN, AnyTask, BlackBoxTask, Curve, FewShotTask, Task
from metaopt.errors import InputError
from metaopt.plugin import Registry
from metaopt.recipe import POOL_SIZE
from metaopt.tuning.judging.noise import best_so_far
from metaopt.tuning.judging.scores import BEST, AnyScale, RatioScale, Scale
from metaopt.tuning.judging.shipped_references import adopt
from metaopt.tuning.ledger.evaluations import evaluation_key
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.running.request import Request
from metaopt.tuning.search.joint_space import JointSpace, joint_space
from metaopt.tuning.search.trial_stand_ins import RandomChooser
from metaopt.tuning.seeds import RACE_SEED, REFERENCE_SEEDS, reference_seeds

#: What people use without tuning: AdamW at a constant learning rate of 1e-3.
DEFAULT_BASELINE = Configuration("adamw", hparams={"adamw.lr": 1e-3})
_POOL_SEED = 20_011


@dataclass(frozen=True)
class Reference:
    """What is known of a task before tuning.

    Attributes:
        scale: how its runs are scored.
        pool: one curve for each random tuning trial of the task's own, with the race's seed; empty for black boxes.
    """

    scale: AnyScale
    pool: tuple[Curve, ...]


class References(Mapping[str, Reference]):
    """What is known of each task, by its name, and how the runs of a seed are scored.

    Args:
        by_task: references by the task's name.
        evaluator: knows the baseline's runs on rows that a seed draws.
        baseline: whose runs score 0.
    """

    def __init__(self, by_task: Mapping[str, Reference], evaluator: Evaluator, baseline: Configuration) -> None:
        self._by_task = dict(by_task)
        self._evaluator = evaluator
        self._centred: dict[tuple[str, int], AnyScale] = {}
        self.baseline = baseline

    def __getitem__(self, task: str) -> Reference:
        return self._by_task[task]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_task)

    def __len__(self) -> int:
        return len(self._by_task)

    def scale(self, task: AnyTask, seed: int) -> AnyScale:
        """How runs of this seed are scored: against the baseline on the same rows, where a seed draws them."""
        key = task.name, seed
        scale = self._by_task[task.name].scale
        if not isinstance(scale, Scale) or not is_paired(task, seed):
            return scale
        if key not in self._centred:
            curves = self._evaluator.curves([self.baseline], [task], [seed])
            self._centred[key] = scale.centred(curves[self.baseline.key, task.name, seed])
        return self._centred[key]

    def requests(
        self, configurations: Sequence[Configuration], tasks: Sequence[AnyTask], seeds: Mapping[str, Sequence[int]]
    ) -> list[Request]:
        """Requests for curves, and for those of the baseline that they are scored against.

        Args:
            configurations: whose curves are wanted.
            tasks: on which.
            seeds: of each task, by its name.
        """
        paired = (*configurations, self.baseline)
        return [
            Request(
                task,
                paired if any(is_paired(task, seed) for seed in seeds[task.name]) else tuple(configurations),
                tuple(seeds[task.name]),
            )
            for task in tasks
        ]


def is_paired(task: AnyTask, seed: int) -> bool:
    """Whether runs of a seed are scored against the baseline's of the same seed."""
    return isinstance(task, Task) and (task.draw(seed) is not None or task.is_redrawn)


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
        registry,
        optimizers=("adamw", "nadamw"),
        controllers=("constant", "linear", "cosine"),
        wrappers=(),
        roles=False,
        laws=False,
    )


def references(evaluator: Evaluator, tasks: Sequence[AnyTask], baseline: Configuration) -> References:
    """Each task's references by its name, computed where the ledger does not hold them and no corpus ships them.

    Raises:
        InputError: the baseline never had a finite value on a task that it alone is the reference of.
    """
    adopt_shipped(evaluator, tasks, baseline)
    supervised = [task for task in tasks if isinstance(task, Task)]
    trials = pool_configurations(evaluator.registry)
    first = evaluator.curves([baseline, *trials], supervised, [RACE_SEED])
    pools = {task.name: [first[trial.key, task.name, RACE_SEED] for trial in trials] for task in supervised}
    winners = {name: trials[int(np.argmin([final_value(curve) for curve in pool]))] for name, pool in pools.items()}
    others = [Request(task, (baseline,), (RACE_SEED,)) for task in tasks if not isinstance(task, Task)]
    seeds = {task.name: reference_seeds(task) for task in supervised}
    try:
        runs = evaluator.answer(_requests(supervised, baseline, winners, seeds) + others)
    except TimeUpError:  # nothing may be trained; an earlier metaopt ran them on each task's own rows
        seeds = dict.fromkeys(seeds, REFERENCE_SEEDS)
        runs = evaluator.answer(_requests(supervised, baseline, winners, seeds) + others)
    by_task: dict[str, Reference] = {}
    for task in tasks:
        if task.name in pools:
            base, tuned = (
                [runs[configuration.key, task.name, seed] for seed in seeds[task.name]]
                for configuration in (baseline, winners[task.name])
            )
            scale = Scale.of(base, tuned, redrawn=min(seeds[task.name]) >= REDRAWN)
            by_task[task.name] = Reference(scale, tuple(pools[task.name]))
        else:
            curve = runs[baseline.key, task.name, RACE_SEED]
            _check_finite(task, curve, baseline)
            best = np.inf if isinstance(task, FewShotTask) else BEST
            values = float(best_so_far(curve)[-1]), curve.test_at_best()
            by_task[task.name] = Reference(RatioScale(*values, best=best), ())
    return References(by_task, evaluator, baseline)


def _requests(
    tasks: Sequence[Task],
    baseline: Configuration,
    winners: Mapping[str, Configuration],
    seeds: Mapping[str, tuple[int, ...]],
) -> list[Request]:
    return [Request(task, (baseline, winners[task.name]), seeds[task.name]) for task in tasks]


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
            evaluation_key(assemble(configuration, evaluator.registry), task, RACE_SEED)
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
    return sum(_reference_evaluations(task) if isinstance(task, Task) else 1 for task in tasks)


def _reference_evaluations(task: Task) -> int:
    seeds = reference_seeds(task)
    return POOL_SIZE + 1 + 2 * len(seeds) - (2 if RACE_SEED in seeds else 0)


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
