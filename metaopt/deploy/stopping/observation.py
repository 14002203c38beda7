"""What a user reports of a validation, as the observation that a stopper takes."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metaopt.contracts import Observation
from metaopt.errors import InputError, quoted

#: Where a signal comes from, for who does not give it.
_HOW = {
    "train_loss": "for train_loss, run.step(loss) is enough",
    "stop": "for stop, bind a recipe with the wrapper learned_schedule or hyper_controller, and take a step",
    "epoch": "epoch is how many passes over the training data are done",
    "evidence": "metaopt.gradient_evidence(model, loss_fn, inputs, targets) computes it from a training batch, and "
    "metaopt.MicroBatches(model) under gradient accumulation",
}


def observation_of(
    value: float | Tensor,
    given: Mapping[str, float | Tensor | None],
    *,
    step: int,
    horizon: int | None,
    known: Mapping[str, float | None],
    required: frozenset[str],
    used: frozenset[str] = frozenset(),
) -> Observation:
    """One validation with the signals that the user gave, and those known anyway that the stopper reads.

    Args:
        value: the metric, one number.
        given: signals from the user, which come before those known anyway; None counts as missing.
        step: training steps completed.
        horizon: planned number of steps, or None.
        known: signals that the loop has by itself; None where it has none yet.
        required: signals that the stopper requires.
        used: signals that it reads where it gets them.

    Raises:
        InputError: the metric or a signal is not one number, or a required signal is missing.
    """
    signals = {**{key: signal for key, signal in known.items() if key in required | used}, **given}
    found = {key: _number(key, signal) for key, signal in signals.items() if signal is not None}
    missing = sorted(required - set(found) - {"horizon"})
    if missing:
        hint = ", ".join(f"{key}=..." for key in missing)
        passed = "".join(f"; {_HOW[key]}" for key in missing if key in _HOW)
        raise InputError(
            f"The recipe's stopper requires {', '.join(missing)}: call run.observe(value, {hint}){passed}."
        )
    return Observation(step, _number("the metric", value), horizon, found)


def _number(what: str, value: Any) -> float:
    try:
        return float(value.detach() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several numbers
        raise InputError(f"run.observe() takes {what} as one number, got {quoted(value)}.") from None
