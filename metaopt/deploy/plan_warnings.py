"""Warnings about the planned number of steps: training goes on past it, or ends without a validation."""

import warnings
import weakref
from dataclasses import dataclass


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


def _warn_unless(validations: ValidationCount, who: str, num_steps: int, remedy: str) -> None:
    if not validations.count:
        warnings.warn(
            f"{who} had no effect: all {num_steps} planned steps are done and it never heard of a validation; call "
            f"{remedy} after each one.",
            UserWarning,
            stacklevel=2,
        )
