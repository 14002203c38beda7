"""Warnings about the planned number of steps: past it, at its end without a validation, on the way without a gain."""

import warnings
import weakref
from dataclasses import dataclass

#: Share of the planned steps after which a training should have gained something.
GAINS_BY = 0.3


@dataclass
class ValidationCount:
    """How many validations were reported."""

    count: int = 0


def warn_at_last(owner: object, validations: ValidationCount, who: str, num_steps: int, remedy: str) -> None:
    """Warn once `owner` is given up if no validation was reported till then: the only validation may follow training.

    Args:
        owner: what a user holds as long as validations may come.
        validations: counts them; it does not refer to `owner`.
        who: the policy that lives on validations, as the beginning of a sentence.
        num_steps: training steps completed.
        remedy: the call that was missing.
    """
    weakref.finalize(owner, _warn_unless, validations, who, num_steps, remedy)


def warn_past_the_plan(total_steps: int) -> None:
    """Warn of the first step past the planned ones."""
    warnings.warn(
        f"All {total_steps} planned steps are done and training goes on: schedules stay where they ended, and stoppers "
        "take it for done; give total_steps= the number of steps that you take.",
        UserWarning,
        stacklevel=4,
    )


def warn_nothing_gained(num_steps: int, horizon: int | None, start: float | None) -> None:
    """Warn that a good part of the planned steps brought no validation better than the one before the first step.

    So does more than half of the trainings of classifiers that collapsed to a constant, and next to no healthy one: see
    `benchmarks/stopping/collapse.py`.

    Args:
        num_steps: training steps completed.
        horizon: planned number of steps.
        start: the validation before the first step.
    """
    warnings.warn(
        f"{num_steps} of {horizon} planned steps brought no validation better than the one before the first, "
        f"{start:.6g}: the rate may be too high, or the weights that training began with are as good as it gets; "
        "run.restore_best() puts them back.",
        UserWarning,
        stacklevel=4,
    )


def _warn_unless(validations: ValidationCount, who: str, num_steps: int, remedy: str) -> None:
    if not validations.count:
        warnings.warn(
            f"{who} had no effect: all {num_steps} planned steps are done and it never heard of a validation; call "
            f"{remedy} after each one.",
            UserWarning,
            stacklevel=2,
        )
