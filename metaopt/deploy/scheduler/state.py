"""A scheduler's saved state, and the rates in its optimizer's groups."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.optimizer.parameters import LR_RATIO
from metaopt.errors import InputError, quoted

_NEEDED = frozenset({"total_steps", "last_epoch", "step_count", "rate", "absolute", "metric", "state", "base_lrs"})

#: Entries that states of earlier versions lack.
_ADDED = {"warmup": 0.0}


def check_state(state: Mapping[str, Any], mine: Mapping[str, Any], horizon: int | None) -> None:
    """Check that a scheduler may continue from a state.

    Args:
        state: as a scheduler's `state_dict` returned it.
        mine: entries that must be equal.
        horizon: this scheduler's planned number of steps, or None.

    Raises:
        InputError: it is another scheduler's, or of a step past the plan.

    Warns:
        UserWarning: the plan is another.
    """
    if not isinstance(state, Mapping):
        raise InputError(f"A scheduler continues from its state_dict(), got {quoted(state)}.")
    for key, value in mine.items():
        saved = state.get(key, _ADDED.get(key))
        if saved != value:
            raise InputError(
                f"This scheduler's {key} is {quoted(value)}, the state's is {quoted(saved)}; create the same scheduler."
            )
    missing = sorted(_NEEDED - set(state))
    if missing:
        raise InputError(f"This is not what scheduler.state_dict() returned: it lacks {', '.join(missing)}.")
    planned, done = state["total_steps"], int(state["last_epoch"])
    if planned == horizon:
        return
    if horizon is not None and done > horizon:
        raise InputError(
            f"The state is of step {done} of {quoted(planned)}, and this scheduler plans {horizon}: nothing is left to "
            "continue; give the planned number of all steps, those before included."
        )
    warnings.warn(
        f"The state was saved with total_steps={quoted(planned)}, this scheduler has {horizon}: from step {done} on "
        "the rate follows the new plan, below the peak that was saved.",
        UserWarning,
        stacklevel=4,
    )


def in_force(optimizer: Optimizer, last: Sequence[float | Tensor]) -> bool:
    """Whether the optimizer's groups still have the rates that a scheduler wrote last."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    return rates == [float(rate) for rate in last]


def take_bases(optimizer: Optimizer, bases: Sequence[float | Tensor]) -> None:
    """Give the groups the rates that a scheduler began with, if there are as many groups as then."""
    if len(optimizer.param_groups) == len(bases):
        for group, base in zip(optimizer.param_groups, bases, strict=True):
            group["initial_lr"] = float(base)


def leading_rate(group: Mapping[str, Any]) -> float:
    """The initial rate that an absolute rate takes the place of: the first group's, without what its role has."""
    return float(group["initial_lr"]) / float(group.get(LR_RATIO, 1.0)) or 1.0
