"""The finals of a study: its best candidates and the baselines on fresh seeds, and what is handed over.

The race saw each candidate with one seed, and the best of many is partly the luckiest. So finalists and baselines run
again on seeds that no race used: a few at first, more for those that the first ones cannot tell apart. What a finalist
promises is shrunk towards the mean of its like by as much as noise alone would have them differ. A tuned candidate is
handed over where its promise is above the best baseline's score by more than an eighth of a standard error; else that
baseline.

All of it is decided by validation values; test values never choose. It follows from scores alone, in fixed order, so
that a study that is continued decides as an unbroken one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from metaopt.contracts import Array
from metaopt.tuning.judging.noise import Difference, combined, paired_difference
from metaopt.tuning.judging.scores import objective, objective_shares

#: Of the candidates that are still in, and of the baselines, this share goes on to the next round.
KEPT = 0.5
#: How sure it must be that what leads is better, for no further round to be run.
SURE = 0.975
#: How sure a tuned candidate's lead over the best baseline has to be: an eighth of a standard error. Its promise is
#: shrunk already. By `benchmarks.tuning.truth` that costs nothing, half of one costs a thirtieth of what is gained.
CAUTION = float(ndtr(1 / 8))
#: Two finalists this close, in units of the references' distance, are as good as each other.
INDIFFERENT = 0.05


@dataclass
class Finalist:
    """A setting in the finals.

    Attributes:
        key: of its configuration.
        is_baseline: whether it needs no tuning.
        may_be_handed_over: False for baselines that the user excluded.
        scores: by task, by seed; filled as the rounds go on.
        examples: by task, what resampled validation examples add to its score, shape (draws,); none where each seed has
            examples of its own.
        is_running: whether it is still in.
        has_finite: whether any run of it stayed finite.
    """

    key: str
    is_baseline: bool = False
    may_be_handed_over: bool = True
    scores: dict[str, dict[int, float]] = field(default_factory=dict)
    examples: dict[str, Array] = field(default_factory=dict)
    is_running: bool = True
    has_finite: bool = False

    @property
    def seeds(self) -> dict[str, tuple[int, ...]]:
        """Seeds that it ran on, by task."""
        return {task: tuple(by_seed) for task, by_seed in self.scores.items()}

    @property
    def mean_scores(self) -> dict[str, float]:
        """Mean over seeds, by task."""
        return {task: float(np.mean(list(by_seed.values()))) for task, by_seed in self.scores.items()}


@dataclass(frozen=True)
class Outcome:
    """What the finals decided.

    Attributes:
        chosen: key of what is handed over.
        is_tuned: whether that is a tuned candidate.
        incumbent: key of the best baseline that may be handed over; where none may, of the best; None without any.
        lead: of the best tuned candidate's promise over the incumbent, in units of the references' distance; None where
            there is no such pair.
        best_tuned: key of the best tuned candidate, or None.
    """

    chosen: str
    is_tuned: bool
    incumbent: str | None
    lead: Difference | None
    best_tuned: str | None


@dataclass(frozen=True)
class Final:
    """How finalists of one study are compared.

    Attributes:
        finalists: all of them, candidates in the order of the race, the best first.
        weights: of each task.
        overlaps: by task, see `overlap_of`.
    """

    finalists: Sequence[Finalist]
    weights: Mapping[str, float]
    overlaps: dict[str, float]

    def close_round(self) -> bool:
        """Drop the worse half of candidates and of baselines; whether another round could change what is handed over.

        Sequential halving (Karnin, Koren & Somekh, ICML 2013): as many trainings go to telling the best few apart as
        to finding out who these are.
        """
        for baselines in (False, True):
            running = [f for f in self.finalists if f.is_running and f.is_baseline == baselines]
            ranked = sorted(running, key=self.mean if baselines else self.promise, reverse=True)
            for finalist in ranked[math.ceil(KEPT * len(ranked)) :]:
                finalist.is_running = False
        return self._is_open()

    def outcome(self) -> Outcome:
        """What is handed over."""
        tuned = self.best_tuned()
        allowed = self._best(baselines=True, allowed=True)
        incumbent = allowed or self._best(baselines=True)
        if tuned is None:
            assert incumbent is not None
            return Outcome(incumbent.key, False, incumbent.key, None, None)
        if incumbent is None:
            return Outcome(tuned.key, True, None, None, tuned.key)
        lead = self._promised_lead(tuned, incumbent)
        chosen = tuned if allowed is None or self._is_better(tuned, allowed) else allowed
        return Outcome(chosen.key, chosen is tuned, incumbent.key, lead, tuned.key)

    def mean(self, finalist: Finalist) -> float:
        """The objective over its mean scores."""
        return objective(finalist.mean_scores, self.weights)

    def promise(self, finalist: Finalist) -> float:
        """The objective of a tuned candidate, shrunk towards the mean of all that came to the finals.

        By empirical Bayes: how far candidates truly differ is what their means differ by in the first round, less what
        noise has them differ by; of a lead, as large a share is kept as noise would not make.
        """
        group = [other for other in self.finalists if not other.is_baseline and other.scores]
        mean = self.mean(finalist)
        if finalist.is_baseline or len(group) < 3:
            return mean
        seeds = {task: set.intersection(*(set(f.scores[task]) for f in group)) for task in finalist.scores}
        means = np.asarray([objective(_means(other, seeds), self.weights) for other in group])
        others = [other for other in group if other is not finalist]
        # The variance of a difference is that of two estimates.
        at_first = float(np.mean([self.difference(finalist, other).variance / 2 for other in others]))
        now = [self.difference(finalist, other).variance / 2 for other in others if other.is_running]
        noise = float(np.mean(now)) if now else at_first
        spread = float(np.var(means, ddof=1)) - at_first
        kept = spread / (spread + noise) if spread > 0 else 0.0
        return float(means.mean() + kept * (mean - means.mean()))

    def best_tuned(self) -> Finalist | None:
        """The candidate that promises most among those that are still in."""
        return self._best(baselines=False)

    def difference(self, first: Finalist, second: Finalist) -> Difference:
        """Objective of the first less that of the second, over the seeds that both ran on."""
        pairs = {task: _in_common(first.scores[task], second.scores[task]) for task in sorted(first.scores)}
        parts = [
            paired_difference(*pair, _examples(first, second, task), overlap=self.overlaps[task])
            for task, pair in pairs.items()
        ]
        means = [{task: float(pair[side].mean()) for task, pair in pairs.items()} for side in (0, 1)]
        shares = [objective_shares(scores, self.weights) for scores in means]
        spread = combined(
            parts, np.asarray([(shares[0].get(task, 0.0) + shares[1].get(task, 0.0)) / 2 for task in pairs])
        )
        value = objective(means[0], self.weights) - objective(means[1], self.weights)
        return Difference(value, spread.variance, spread.freedom)

    def _is_open(self) -> bool:
        running = [finalist for finalist in self.finalists if finalist.is_running]
        tuned = sorted((f for f in running if not f.is_baseline), key=self.promise, reverse=True)
        incumbent = self._best(baselines=True)
        if tuned and incumbent is not None:
            lead = self.difference(tuned[0], incumbent)
            if abs(lead.value) <= lead.margin(SURE):
                return True
        if len(tuned) > 1:
            lead = self.difference(tuned[0], tuned[1])
            return lead.error > INDIFFERENT and abs(lead.value) <= lead.margin(SURE)
        return False

    def _best(self, *, baselines: bool, allowed: bool = False) -> Finalist | None:
        group = [
            finalist
            for finalist in self.finalists
            if finalist.is_baseline == baselines
            and finalist.scores
            and (baselines or finalist.is_running)
            and (finalist.may_be_handed_over or not allowed)
        ]
        return max(group, key=self.mean if baselines else self.promise, default=None)

    def _promised_lead(self, tuned: Finalist, baseline: Finalist) -> Difference:
        lead = self.difference(tuned, baseline)
        return Difference(lead.value - (self.mean(tuned) - self.promise(tuned)), lead.variance, lead.freedom)

    def _is_better(self, tuned: Finalist, baseline: Finalist) -> bool:
        lead = self._promised_lead(tuned, baseline)
        return lead.value > (lead.margin(CAUTION) if np.isfinite(lead.variance) else 0.0)


def _means(finalist: Finalist, seeds: Mapping[str, set[int]]) -> dict[str, float]:
    """Mean over some seeds, by task."""
    return {task: float(np.mean([by[seed] for seed in seeds[task]])) for task, by in finalist.scores.items()}


def _in_common(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[Array, Array]:
    """Scores of two finalists on the seeds that both ran on."""
    seeds = sorted(set(first) & set(second))
    return np.asarray([first[seed] for seed in seeds]), np.asarray([second[seed] for seed in seeds])


def _examples(first: Finalist, second: Finalist, task: str) -> Array | None:
    if task not in first.examples or task not in second.examples:
        return None
    difference: Array = first.examples[task] - second.examples[task]
    return difference
