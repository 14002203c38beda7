"""Tuning trials of a task's own, proposed by TPE: what a task's owner would run with an hour to spare and no recipe."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, Curve, Task
from metaopt.tuning.judging.references import final_value, pool_configurations, pool_space
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.request import Request
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.trial_stand_ins import ReplayChooser, quietly
from metaopt.tuning.seeds import RACE_SEED

#: Random trials before TPE proposes: of the task's pool, which the ledger holds already, so they cost nothing.
STARTUP = 8
#: Trials that are proposed and trained side by side from then on.
BATCH = 4


@dataclass
class _Search:
    """The trials of one task so far: configurations with their curves, in the order in which they ran."""

    task: Task
    trials: list[tuple[Configuration, Curve]] = field(default_factory=list)

    def ask(self, space: JointSpace, count: int) -> tuple[Configuration, ...]:
        """The next proposals; the sampler is new and seeded each time, so that a search resumes as it was."""
        digest = hashlib.sha256(f"{self.task.name}:{len(self.trials)}".encode()).digest()
        with quietly():
            sampler = optuna.samplers.TPESampler(
                seed=int.from_bytes(digest[:4], "little"),
                multivariate=True,
                group=True,
                constant_liar=True,
                n_startup_trials=STARTUP,
            )
            study = optuna.create_study(direction="minimize", sampler=sampler)
        for configuration, curve in self.trials:
            study.add_trial(_told(space, configuration, final_value(curve)))
        return tuple(space.suggest(study.ask()) for _ in range(count))


def tpe_trials(evaluator: Evaluator, tasks: Sequence[AnyTask], count: int) -> dict[str, list[Curve]]:
    """Curves of so many TPE trials on each supervised task, in the order of the trials, by the task's name.

    The space, the seed and the first `STARTUP` trials are those of the task's random pool; from then on Optuna's TPE
    proposes `BATCH` at a time by the final validation value (Watanabe 2023, arXiv:2304.11127). Trials are stored in the
    ledger like any other, so they run once.
    """
    space = pool_space(evaluator.registry)
    searches = [_Search(task) for task in tasks if isinstance(task, Task)]
    done = 0
    while done < count:
        number = min(BATCH if done else STARTUP, count - done)
        asked = [search.ask(space, number) if done else _first(evaluator, search.task, number) for search in searches]
        seeds = (RACE_SEED,)
        curves = evaluator.answer(
            [Request(search.task, new, seeds) for search, new in zip(searches, asked, strict=True)]
        )
        for search, new in zip(searches, asked, strict=True):
            search.trials += [(trial, curves[trial.key, search.task.name, seeds[0]]) for trial in new]
        done += number
    return {search.task.name: [curve for _, curve in search.trials] for search in searches}


def tpe_evaluations(count: int) -> int:
    """Trainings that `count` TPE trials of one task cost at most, beyond its pool."""
    return max(count - STARTUP, 0)


def _first(evaluator: Evaluator, task: Task, count: int) -> tuple[Configuration, ...]:
    """Other trials of the pool for each task, so that their luck is not shared by all."""
    pool = pool_configurations(evaluator.registry)
    seed = int.from_bytes(hashlib.sha256(task.name.encode()).digest()[:4], "little")
    return tuple(pool[index] for index in np.random.default_rng(seed).permutation(len(pool))[:count])


def _told(space: JointSpace, configuration: Configuration, value: float) -> optuna.trial.FrozenTrial:
    params = {
        "optimizer": configuration.optimizer,
        "controller": configuration.controller,
        **configuration.hparams,
    }
    recorder = ReplayChooser(params)
    space.suggest(recorder)
    return optuna.trial.create_trial(
        params={name: params[name] for name in recorder.distributions},
        distributions=recorder.distributions,
        value=value,
    )
