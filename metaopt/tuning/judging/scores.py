"""From curves to numbers that may be averaged across tasks.

Raw losses never are. Each task has two frozen references: a baseline (score 0) and a long-tuned run (score 1).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.contracts import Array, Curve
from metaopt.tuning.judging.noise import Measured, best_so_far, difference_noise

#: A run may be at most this much worse than the baseline, in units of the distance between the references: one
#: diverged run must not outweigh everything else, and divergence gets exactly this.
WORST = -1.0
#: A run cannot score more than this, for the same reason.
BEST = 2.0
#: No task weighs less than this in the objective, unless neither of its references says anything.
LEAST_WEIGHT = 1e-3
#: Share of the worst tasks that the tail term of the objective looks at, and its weight.
TAIL_SHARE = 0.2
TAIL_WEIGHT = 0.25


@dataclass(frozen=True, slots=True)
class Scale:
    """How a task's runs are scored: what its two references reached in the runs that did not diverge.

    Attributes:
        baseline: final best validation value of the baseline, mean over seeds; where it always diverged, the first
            value of the long-tuned runs; NaN where both always did.
        tuned: that of the long-tuned reference; the baseline's where it always diverged.
        baseline_area: area of the baseline under `relative`, mean over seeds.
        tuned_area: that of the long-tuned reference.
        noise: standard deviation of the difference between one run of the baseline and one of the long-tuned reference,
            by seeds, rows and validation examples; see `metaopt.tuning.judging.noise`.
        test_baseline: test value of the baseline at its best validation, mean over seeds; NaN without test values.
        test_tuned: that of the long-tuned reference.
        test_noise: as `noise`, of test values.
        runs: runs of each reference that the means are of.
    """

    baseline: float
    tuned: float
    baseline_area: float
    tuned_area: float
    noise: float
    test_baseline: float
    test_tuned: float
    test_noise: float
    runs: int = 1

    @classmethod
    def of(cls, baseline: Sequence[Curve], tuned: Sequence[Curve], *, redrawn: bool = False) -> "Scale":
        """The scale that these runs of the two references define.

        Args:
            baseline: one curve a seed.
            tuned: likewise, of the same seeds.
            redrawn: whether each seed has training and validation rows of its own.
        """
        tuned_fine = [curve for curve in tuned if not curve.diverged]
        base_fine = [curve for curve in baseline if not curve.diverged] or [_start(curve) for curve in tuned_fine]
        tuned_fine = tuned_fine or base_fine
        base_finals = [float(best_so_far(curve)[-1]) for curve in base_fine]
        base_tests = [curve.test_at_best() for curve in base_fine]
        draft = cls(
            baseline=_mean(base_finals),
            tuned=_mean([float(best_so_far(curve)[-1]) for curve in tuned_fine]),
            baseline_area=WORST,
            tuned_area=WORST,
            noise=difference_noise(baseline, tuned, "validation", redrawn=redrawn),
            test_baseline=_mean(base_tests),
            test_tuned=_mean([curve.test_at_best() for curve in tuned_fine]),
            test_noise=difference_noise(baseline, tuned, "test", redrawn=redrawn),
            runs=min(len(base_fine), len(tuned_fine)),
        )
        if not draft.usable:
            return draft
        return dataclasses.replace(
            draft,
            baseline_area=_mean([draft.area(curve) for curve in base_fine]),
            tuned_area=_mean([draft.area(curve) for curve in tuned_fine]),
        )

    def centred(self, baseline: Curve) -> "Scale":
        """The same unit with this run of the baseline at 0: whatever rows it saw, others that saw them compare with it.

        A baseline that diverged there leaves the scale as it is.
        """
        if not self.usable or baseline.diverged:
            return self
        final, test = float(best_so_far(baseline)[-1]), baseline.test_at_best()
        moved = dataclasses.replace(
            self,
            baseline=final,
            tuned=final + self.tuned - self.baseline,
            test_baseline=test,
            test_tuned=test + self.test_tuned - self.test_baseline,
        )
        area = moved.area(baseline)
        return dataclasses.replace(moved, baseline_area=area, tuned_area=area + self.tuned_area - self.baseline_area)

    @property
    def usable(self) -> bool:
        """Whether any run of a reference ended well; if not, it is not known what a good value is."""
        return bool(np.isfinite(self.baseline))

    def relative(self, values: Array) -> Array:
        """Values with the baseline's final value at 0 and the tuned one's at 1, clipped to [WORST, BEST].

        Where the baseline is the better one, the tuned one's is at -1.
        """
        with np.errstate(invalid="ignore"):
            scaled = (self.baseline - values) / self.unit if self.usable else np.zeros_like(values)
        clipped: Array = np.clip(np.where(np.isfinite(values), scaled, WORST), WORST, BEST)
        return clipped

    def area(self, curve: Curve) -> float:
        """Mean over the validations of the relative best-so-far value; WORST for a run that diverged."""
        if curve.diverged:
            return WORST
        return float(self.relative(best_so_far(curve)).mean())

    def score(self, curve: Curve) -> float:
        """Area rescaled so that the baseline scores 0 and the long-tuned run 1, clipped to [WORST, BEST]."""
        if curve.diverged:
            return WORST
        gap = max(abs(self.tuned_area - self.baseline_area), 0.05)
        return float(np.clip((self.area(curve) - self.baseline_area) / gap, WORST, BEST))

    def final_score(self, curve: Curve) -> float:
        """The final best validation value, with the references' at 0 and 1, clipped; what the finals choose by."""
        return WORST if curve.diverged else float(self.relative(best_so_far(curve))[-1])

    @property
    def unit(self) -> float:
        """What one in a score stands for, in validation values: the references' distance, at least the noise."""
        return _gap(self.baseline, self.tuned, self.noise)

    @property
    def is_weak(self) -> bool:
        """Whether its references are no further apart than noise has two runs: it cannot tell settings apart."""
        return self.weight < 0.5

    @property
    def share_of_noise(self) -> float:
        """Standard deviation of the noise in the final score of one run: that of a difference is of two runs."""
        return self.noise / self.unit / 2**0.5 if self.usable else 0.0

    @property
    def test_unit(self) -> float:
        """As `unit`, in test values."""
        return _gap(self.test_baseline, self.test_tuned, self.test_noise)

    def test_score(self, curve: Curve, until: int | None = None) -> float:
        """Test value at the best of the first `until` validations, with the references' test values at 0 and 1."""
        value = curve.test_at_best(until)
        return WORST if not np.isfinite(value) else float(self.test_scores(np.asarray(value)))

    def test_scores(self, values: Array) -> Array:
        """Finite test values with the references' at 0 and 1, clipped; 0 where the baseline has none."""
        if not np.isfinite(self.test_baseline):
            return np.zeros_like(values)
        scores: Array = np.clip((self.test_baseline - values) / self.test_unit, WORST, BEST)
        return scores

    @property
    def weight(self) -> float:
        """How well the task tells settings apart: d² / (d² + 1), d the references' distance in units of the noise.

        d² is less by 1 / runs, which noise alone would give. 0 where neither reference says anything.
        """
        if not self.usable:
            return 0.0
        distance = ((self.baseline - self.tuned) / max(self.noise, 1e-12)) ** 2 - 1 / self.runs
        return max(float(distance / (distance + 1)), LEAST_WEIGHT) if distance > 0 else LEAST_WEIGHT


@dataclass(frozen=True, slots=True)
class RatioScale:
    """How a black-box task's runs are scored: by the log-ratio to the baseline's final value alone.

    Attributes:
        baseline: final best value of the baseline.
        test_baseline: its test value, NaN where the task yields none.
        best: what no score exceeds; infinite for few-shot tasks, on which a baseline that learned nothing is far behind
            whatever did.
    """

    baseline: float
    test_baseline: float
    weight: float = 1.0
    best: float = BEST
    share_of_noise: float = 0.0

    def score(self, curve: Curve) -> float:
        """log(baseline / value), or (baseline − value) / |baseline| where the baseline is not positive; clipped."""
        return WORST if curve.diverged else self._ratio(self.baseline, float(best_so_far(curve)[-1]))

    def final_score(self, curve: Curve) -> float:
        """As `score`."""
        return self.score(curve)

    def test_score(self, curve: Curve, until: int | None = None) -> float:
        """The log-ratio of test values; of validation values where the task yields no test values."""
        value = curve.test_at_best(until)
        if np.isfinite(value) and np.isfinite(self.test_baseline):
            return self._ratio(self.test_baseline, value)
        index = curve.best_index(until)
        return WORST if index is None else self._ratio(self.baseline, float(curve.values[index]))

    def _ratio(self, baseline: float, value: float) -> float:
        return float(np.clip(_ratio(baseline, value), WORST, self.best))


AnyScale = Scale | RatioScale


def objective(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """What tuning maximises: the weighted mean of the tasks' scores plus a share of the mean of the worst fifth.

    Tasks of weight 0 take no part, unless there are no others.

    Args:
        scores: by task.
        weights: by task, at least 0.
    """
    shares = objective_shares(scores, weights)
    return float(sum(share * scores[name] for name, share in shares.items()))


def objective_shares(scores: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """What each task's score counts in the objective, by task: its derivative, for as long as the worst ones stay so.

    Args:
        scores: by task.
        weights: by task, at least 0.
    """
    names = [name for name in sorted(scores) if weights[name] > 0] or sorted(scores)
    total = sum(max(weights[name], LEAST_WEIGHT) for name in names)
    shares = {name: max(weights[name], LEAST_WEIGHT) / total for name in names}
    worst = sorted(names, key=lambda name: scores[name])[: max(1, int(np.ceil(TAIL_SHARE * len(names))))]
    for name in worst:
        shares[name] += TAIL_WEIGHT / len(worst)
    return shares


def examples_noise(runs: Sequence[tuple[Curve, "AnyScale"]], measured: Measured) -> Array | None:
    """What examples drawn with replacement add to a score, mean over runs, shape (draws,); None where not known.

    Args:
        runs: of one setting on the same examples, with how each is scored.
        measured: of which values.
    """
    scores = [
        (scale.relative if measured == "validation" else scale.test_scores)(curve.resampled[measured])
        for curve, scale in runs
        if isinstance(scale, Scale) and measured in curve.resampled
    ]
    if len(scores) < len(runs):
        return None
    draws: Array = np.mean(scores, axis=0)
    noise: Array = draws - draws.mean()
    return noise


def _gap(baseline: float, tuned: float, noise: float) -> float:
    """Distance between the references, whichever is better, at least the seed noise: closer they say nothing."""
    floor = max(noise, 1e-6 * max(abs(baseline), abs(tuned)), 1e-12)
    return max(abs(baseline - tuned), floor)


def _start(curve: Curve) -> Curve:
    """The curve of a run that never gets better than at its first validation."""
    stays = np.zeros(len(curve.values), dtype=np.int64)
    test = None if curve.test is None else curve.test[stays]
    return Curve(curve.steps, curve.values[stays], curve.horizon, test)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _ratio(baseline: float, value: float) -> float:
    if not np.isfinite(baseline):
        return 0.0
    if baseline > 0:
        raw = float(np.log(baseline / value)) if value > 0 else np.inf
    else:
        raw = (baseline - value) / max(abs(baseline), 1e-12)
    return raw
