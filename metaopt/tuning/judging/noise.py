"""How much of a difference between two settings is noise: of seeds, of rows that were drawn, of examples.

Two runs of one seed see the same rows in the same order, so differences are paired by seed. Where each seed has rows of
its own, their variance over seeds holds all three. Where the rows stay, it holds that of weights and batches alone, and
what the examples of a split make comes from drawing them with replacement (`Curve.resampled`), the same for both runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import stdtrit

from metaopt.contracts import AnyTask, Array, Curve, Task

#: What a difference is of: the final best validation value, or the test value of the checkpoint that is kept.
Measured: TypeAlias = Literal["validation", "test"]


def best_so_far(curve: Curve) -> Array:
    """Lowest finite value up to each validation, shape (T,); infinite before the first finite one."""
    return np.minimum.accumulate(np.where(np.isfinite(curve.values), curve.values, np.inf))


def final_of(curve: Curve, measured: Measured) -> float:
    """The run's final value; NaN for a run that diverged, or that has no test values."""
    if curve.diverged:
        return float("nan")
    return float(best_so_far(curve)[-1]) if measured == "validation" else curve.test_at_best()


def difference_noise(first: Sequence[Curve], second: Sequence[Curve], measured: Measured, *, redrawn: bool) -> float:
    """Standard deviation of the difference between one run of each setting; 0 where nothing is known of it.

    Args:
        first: curves of a setting, one a seed.
        second: those of the other, of the same seeds.
        measured: of which values.
        redrawn: whether each seed has training and validation rows of its own. Test rows stay.
    """
    pairs = list(zip(first, second, strict=True))
    differences = np.asarray([final_of(a, measured) - final_of(b, measured) for a, b in pairs])
    finite = differences[np.isfinite(differences)]
    if len(finite) > 1:
        over_seeds = float(np.var(finite, ddof=1))
    else:  # one of the two always diverged
        over_seeds = max(_variance_alone(first, measured), _variance_alone(second, measured))
    fixed = not redrawn or measured == "test"
    return float(np.sqrt(over_seeds + (examples_variance(pairs, measured) if fixed else 0.0)))


def examples_variance(pairs: Sequence[tuple[Curve, Curve]], measured: Measured) -> float:
    """Variance of a difference over examples drawn with replacement, mean over pairs; 0 where it is not known."""
    variances = [
        float(np.var(a.resampled[measured] - b.resampled[measured], ddof=1))
        for a, b in pairs
        if measured in a.resampled and measured in b.resampled and not a.diverged and not b.diverged
    ]
    return float(np.mean(variances)) if variances else 0.0


def _variance_alone(curves: Sequence[Curve], measured: Measured) -> float:
    values = np.asarray([final_of(curve, measured) for curve in curves])
    finite = values[np.isfinite(values)]
    return float(np.var(finite, ddof=1)) if len(finite) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """An estimated difference with the variance of the estimate.

    Attributes:
        value: of the difference.
        variance: of the estimate; NaN where nothing is known of it.
        freedom: degrees of freedom of the variance.
    """

    value: float
    variance: float
    freedom: float

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt(self.variance))

    def margin(self, level: float) -> float:
        """What the estimate exceeds the truth by with probability 1 - level at most, by a t distribution."""
        if self.variance == 0:
            return 0.0
        return float(stdtrit(max(self.freedom, 1.0), level) * self.error)


def paired_difference(
    first: Array, second: Array, examples: Array | None = None, *, overlap: float = 0.0
) -> Difference:
    """Mean difference of two settings' scores over the seeds that both ran on.

    Args:
        first: score of a setting by seed, shape (seeds,); NaN where it did not run.
        second: those of the other.
        examples: the difference on resampled examples, shape (draws,), where seeds share their examples.
        overlap: see `overlap_of`: draws of the same rows know less than as many fresh rows would.
    """
    differences = first - second
    differences = differences[np.isfinite(differences)]
    count = len(differences)
    by_examples = 0.0 if examples is None or len(examples) < 2 else float(np.var(examples, ddof=1))
    if count == 0:
        return Difference(float("nan"), float("nan"), 1.0)
    if count == 1:
        return Difference(float(differences[0]), by_examples if by_examples > 0 else float("nan"), 1.0)
    by_seeds = float(np.var(differences, ddof=1)) * (1 / count + overlap)
    freedom = count - 1.0
    if by_examples > 0:  # known from as many resampled examples as a split has
        share = by_seeds / (by_seeds + by_examples)
        freedom = freedom / max(share**2, 1e-6)
    return Difference(float(differences.mean()), by_seeds + by_examples, freedom)


def combined(parts: Sequence[Difference], weights: Array) -> Difference:
    """A weighted sum of independent differences; degrees of freedom by Welch and Satterthwaite (1947)."""
    value = float(sum(weight * part.value for weight, part in zip(weights, parts, strict=True)))
    variances = np.asarray([weight**2 * part.variance for weight, part in zip(weights, parts, strict=True)])
    total = float(variances.sum())
    if not np.isfinite(total) or total == 0:
        return Difference(value, total, 1.0)
    freedom = total**2 / float(sum(v**2 / part.freedom for v, part in zip(variances, parts, strict=True)))
    return Difference(value, total, freedom)


def draws_test(task: AnyTask, seed: int) -> bool:
    """Whether a seed has test rows of its own."""
    return isinstance(task, Task) and task.draws_test(seed)


def overlap_of(task: AnyTask, seed: int) -> float:
    """What the rows that draws share add to the variance of their mean, as a share of that of one draw.

    The ratio of evaluated to training rows (Nadeau & Bengio, Machine Learning 52, 2003); 0 where rows stay.
    """
    if not isinstance(task, Task) or task.draw(seed) is None:
        return 0.0
    splits = task.splits
    return len(splits.test if draws_test(task, seed) else splits.validation) / len(splits.train)
