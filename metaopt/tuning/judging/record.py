"""What a comparison showed, as plain JSON that a recipe carries with it."""

import dataclasses
import math
from typing import Any

from metaopt.recipe import Recipe, recorded
from metaopt.tuning.judging.comparison import Comparison
from metaopt.tuning.judging.statistics import Interval


def with_scores(recipe: Recipe, held_out: Comparison | None, held_out_by: str | None, tuning: Comparison) -> Recipe:
    """The recipe with its test scores and those of what it was compared with.

    Args:
        recipe: as found.
        held_out: comparison on tasks that its search, or that of the task's fold, did not see.
        held_out_by: `"families"` or `"folds"`.
        tuning: comparison on the tasks that it was tuned on.
    """
    scores = {**recorded(recipe.provenance, "scores"), "tuning": _record(tuning)}
    if held_out is not None:
        scores["held_out"] = {"by": held_out_by, "intervals_over": held_out.over, **_record(held_out)}
    return dataclasses.replace(recipe, provenance={**recipe.provenance, "scores": scores})


def _record(comparison: Comparison) -> dict[str, Any]:
    """Test scores of all contenders, as [value, low, high], and what the first run is worth."""
    worth = comparison.trials_worth()
    return {
        "tasks": len(comparison.tasks),
        "mean": {name: _ends(comparison.interval(name)) for name in comparison.contenders},
        "interquartile_mean": {name: _ends(comparison.middle(name)) for name in comparison.contenders},
        "random_trials_worth": None
        if worth is None
        else [_finite(end) for end in (worth.number, worth.low, worth.high)],
    }


def _ends(interval: Interval) -> list[float | None]:
    return [_finite(number) for number in (interval.value, interval.low, interval.high)]


def _finite(number: float) -> float | None:
    return round(number, 4) if math.isfinite(number) else None
