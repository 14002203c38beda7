"""Early-stopping policies played over recorded curves: what each gives up, and what it saves.

A run's regret is (best of the whole run − best until the stop) / (best of the whole run − chance), its saving the share
of its steps that were not taken. Runs that learned nothing are told apart: there the question is how soon a policy
gives up. A clairvoyant stops each run at its best value: no policy saves more without regret.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaopt.contracts import CurveBatch, StopperTheta
from metaopt.deploy import StopperConfiguration
from metaopt.errors import InputError, quoted
from metaopt.plugin import Registry, StopperSpec
from metaopt.space import Value
from metaopt.tuning.judging.noise import best_so_far
from metaopt.tuning.recorded.recorded_tasks import RecordedTask
from metaopt.tuning.stopping.cross_fit import CrossFit, cross_fit
from metaopt.tuning.stopping.policy_search import NewSampler, new_sampler, search_policies
from metaopt.tuning.stopping.stopping import playable, replayable, signals_of, stops_of

#: A run whose best is no further from chance than this share of the task's best run learned nothing.
LEARNED = 0.1


@dataclass(frozen=True)
class Replayed:
    """What a policy would have done.

    Attributes:
        stopper: the policy.
        regret: mean over runs that learned something.
        saved: mean share of their steps that it saves.
        given_up: mean share of its steps after which a run that learned nothing is stopped; NaN where all learned.
        error: standard error of `regret`, over runs; NaN for a single run.
    """

    stopper: StopperConfiguration
    regret: float
    saved: float
    given_up: float
    error: float = math.nan


@dataclass(frozen=True)
class Replay:
    """Policies over recorded runs.

    Attributes:
        results: of each policy, on the runs that are reported.
        chosen_by: of the same policies, in the same order, on the other runs.
        clairvoyant: share of steps that a stop at the best value saves.
        num_learned: runs that learned something, among those reported.
        num_failed: the others.
    """

    results: tuple[Replayed, ...]
    chosen_by: tuple[Replayed, ...]
    clairvoyant: float
    num_learned: int
    num_failed: int

    def front(self) -> list[Replayed]:
        """Policies that no other one beats on the runs they are chosen by, as they did on the reported ones.

        The most careful first.
        """
        by = self.chosen_by
        order = sorted(range(len(by)), key=lambda row: (by[row].regret, -by[row].saved))
        front, most = [], -math.inf
        for row in order:
            if self.chosen_by[row].saved > most:
                most = self.chosen_by[row].saved
                front.append(self.results[row])
        return front

    def best(self, regret: float) -> Replayed | None:
        """The policy that saves most at up to so much regret on the runs it is chosen by; None if there is none.

        The best of many policies is often a lucky one: its regret elsewhere is larger. So the bound holds for
        the regret and one standard error (Breiman et al., Classification and Regression Trees, 1984). Steps are those
        of all runs, so that a policy which gives up early on those that learned nothing is preferred.
        """
        likely = [policy.regret + np.nan_to_num(policy.error) for policy in self.chosen_by]
        fair = [row for row, most in enumerate(likely) if most <= regret]
        return self.results[max(fair, key=lambda row: self._saved_of_all(self.chosen_by[row]))] if fair else None

    def _saved_of_all(self, policy: Replayed) -> float:
        failed = self.num_failed * (1 - policy.given_up) if self.num_failed and not math.isnan(policy.given_up) else 0.0
        return self.num_learned * policy.saved + failed

    def dataframe(self) -> pd.DataFrame:
        """A row a policy: stopper, hyperparameters, and what it did on either half."""
        return pd.DataFrame(
            {
                "stopper": policy.stopper.name,
                "hparams": dict(policy.stopper.hparams),
                "regret": policy.regret,
                "saved": policy.saved,
                "given_up": policy.given_up,
                "regret_chosen_by": other.regret,
                "saved_chosen_by": other.saved,
            }
            for policy, other in zip(self.results, self.chosen_by, strict=True)
        )


def replay(
    tasks: Sequence[RecordedTask],
    registry: Registry,
    *,
    stoppers: Sequence[str] | None = None,
    policies: int = 100,
    trials: int = 0,
    better: float = 1.0,
    seed: int = 0,
    sampler: NewSampler = new_sampler,
) -> Replay:
    """Play policies over one half of the runs to choose by, and over the other to report.

    Stoppers that are fitted to curves are fitted to the half to choose by. There each part of the runs is played with
    what the other parts taught, the other half with what all of them did; `Replayed.stopper` holds the latter.

    Args:
        tasks: recorded runs.
        registry: where stoppers are.
        stoppers: plugins with a pure form; all of them if left out.
        policies: random settings of each plugin beside its defaults.
        trials: further settings of each plugin that Optuna proposes, by what earlier ones did to the runs to choose by.
        better: share of each task's runs to look at, the best first; those that learned nothing are told apart anyway.
        seed: of settings, and of which run is in which half.
        sampler: from the seed to Optuna's sampler.

    Raises:
        InputError: too few runs, or a share outside (0, 1].
        PluginError: a plugin is unknown or has no pure form.
    """
    if not 0 < better <= 1:
        raise InputError(f"The share of runs to look at must be above 0 and at most 1, got {quoted(better)}.")
    halves: tuple[list[_RunsOfTask], list[_RunsOfTask]] = ([], [])
    for task in tasks:
        runs = _RunsOfTask.of(task, better)
        order = np.random.default_rng(seed).permutation(len(runs.learned))
        for half, rows in zip(halves, (order[::2], order[1::2]), strict=True):
            half.append(runs.rows(np.sort(rows)))
    counts = [sum(int(runs.learned.sum()) for runs in half) for half in halves]
    if min(counts) == 0:
        raise InputError(
            f"{sum(counts)} of the runs learned something, and a half to choose by and one to report need one each; "
            "give more runs, or the value of chance by --chance."
        )
    chosen: list[Replayed] = []
    reported: list[Replayed] = []
    batches = [runs.batch for half in halves for runs in half]
    for spec in replayable(registry, stoppers):
        settings = playable(spec, batches, seed, policies)
        fit = cross_fit(spec, [runs.batch for runs in halves[0]], _each_run(halves[0]), seed) if settings else None
        if fit is None:
            continue
        if trials:
            play = partial(_regret_and_savings, spec, halves[0], fit)
            settings += search_policies(spec, play, signals_of(batches), trials, sampler(seed))
        policies_played = [StopperConfiguration(spec.name, setting, theta=fit.theta) for setting in settings]
        chosen += _means(policies_played, halves[0], *_cross_played(spec, halves[0], fit, settings))
        played = [runs.play(spec, settings, fit.theta) for runs in halves[1]]
        reported += _means(
            policies_played, halves[1], *(np.concatenate(parts, axis=1) for parts in zip(*played, strict=True))
        )
    saved = np.concatenate([runs.clairvoyant[runs.learned] for runs in halves[1]])
    failed = sum(int((~runs.learned).sum()) for runs in halves[1])
    return Replay(tuple(reported), tuple(chosen), float(saved.mean()), counts[1], failed)


@dataclass(frozen=True, eq=False)
class _RunsOfTask:
    """Runs of one task side by side; `best` and `steps` have shape (n, T)."""

    batch: CurveBatch
    best: NDArray[np.float64]
    chance: float
    ends: NDArray[np.int64]
    learned: NDArray[np.bool_]

    @classmethod
    def of(cls, task: RecordedTask, better: float) -> "_RunsOfTask":
        batch = CurveBatch.from_curves(task.curves, task.sign)
        length = batch.values.shape[1]
        ends = np.asarray([len(curve.steps) - 1 for curve in task.curves])
        best = np.stack([_held(best_so_far(curve), length) for curve in task.curves])
        gain = task.chance - best[:, -1]
        with np.errstate(invalid="ignore"):
            learned = np.isfinite(gain) & (gain > LEARNED * np.max(gain, where=np.isfinite(gain), initial=0.0))
        runs = cls(batch, best, task.chance, ends, learned)
        if better == 1.0 or not learned.any():
            return runs
        limit = np.quantile(np.nan_to_num(gain, nan=-np.inf), 1 - better, method="lower")
        return runs.rows(np.flatnonzero(~learned | (gain >= limit)))

    def rows(self, rows: NDArray[np.int64]) -> "_RunsOfTask":
        return _RunsOfTask(self.batch.rows(rows), self.best[rows], self.chance, self.ends[rows], self.learned[rows])

    @property
    def clairvoyant(self) -> NDArray[np.float64]:
        """Share of steps saved by a stop at each run's best value, shape (n,)."""
        at = np.argmax(self.best == self.best[:, -1:], axis=1)
        return 1 - self._spent(at)

    def play(
        self, spec: StopperSpec, settings: Sequence[Mapping[str, Value]], theta: StopperTheta
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Regret and share of steps taken of each policy on each run, shape (settings, n)."""
        stops = np.minimum(stops_of(spec, settings, self.batch, theta), self.ends)
        rows = np.arange(len(self.ends))
        with np.errstate(invalid="ignore", divide="ignore"):
            regret = (self.best[rows, stops] - self.best[:, -1]) / (self.chance - self.best[:, -1])
        # A run that is stopped before it has any value has given up all that it could have gained.
        return np.minimum(np.nan_to_num(regret, nan=1.0, posinf=1.0), 1.0), self._spent(stops)

    def _spent(self, stops: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = np.arange(len(self.ends))
        last: NDArray[np.float64] = self.batch.steps[rows, self.ends]
        spent: NDArray[np.float64] = self.batch.steps[rows, stops] / last
        return spent


def _each_run(half: Sequence[_RunsOfTask]) -> list[NDArray[np.int64]]:
    ends = np.cumsum([len(runs.ends) for runs in half])
    return np.split(np.arange(ends[-1]), ends[:-1])


def _cross_played(
    spec: StopperSpec, half: Sequence[_RunsOfTask], fit: CrossFit, settings: Sequence[Mapping[str, Value]]
) -> tuple[NDArray[np.float64], ...]:
    """Regret and share of steps taken, shape (policies, runs), on the half that theta comes from."""
    return fit.play(lambda at, rows, theta: half[at].rows(rows).play(spec, settings, theta))


def _regret_and_savings(
    spec: StopperSpec, half: Sequence[_RunsOfTask], fit: CrossFit, settings: Sequence[Mapping[str, Value]]
) -> list[tuple[float, float]]:
    stoppers = [StopperConfiguration(spec.name, setting) for setting in settings]
    return [
        (result.regret, result.saved) for result in _means(stoppers, half, *_cross_played(spec, half, fit, settings))
    ]


def _means(
    stoppers: Sequence[StopperConfiguration],
    half: Sequence[_RunsOfTask],
    regret: NDArray[np.float64],
    share: NDArray[np.float64],
) -> list[Replayed]:
    """Means over runs of quantities of shape (policies, runs)."""
    learned = np.concatenate([runs.learned for runs in half])
    given_up = share[:, ~learned].mean(1) if (~learned).any() else np.full(len(stoppers), math.nan)
    regret, saved = regret[:, learned], 1 - share[:, learned]
    with np.errstate(invalid="ignore", divide="ignore"):
        count = regret.shape[1]
        error = regret.std(axis=1) / np.sqrt(count - 1)
    return [
        Replayed(stopper, float(regret[row].mean()), float(saved[row].mean()), float(given_up[row]), float(error[row]))
        for row, stopper in enumerate(stoppers)
    ]


def _held(series: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    return np.concatenate([series, np.full(length - len(series), series[-1])])
