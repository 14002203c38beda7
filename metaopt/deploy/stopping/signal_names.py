"""The signals that callers of `run.observe` may give: names, where they come from, that each is one number."""

from collections.abc import Iterable, Sequence, Set
from typing import Any

from torch import Tensor

from metaopt.errors import InputError, did_you_mean, quoted

#: Where a signal comes from, for callers of `run.observe` that do not pass it.
_SUPPLIED_BY = {
    "train_loss": "for train_loss, run.step(loss) is enough",
    "stop": "for stop, bind a recipe with the wrapper learned_schedule or hyper_controller, and take a step",
    "epoch": "epoch is how many passes over the training data are done",
    "evidence": "metaopt.gradient_evidence(model, loss_fn, inputs, targets) computes it from a training batch, and "
    "metaopt.MicroBatches(model) under gradient accumulation",
}

#: Signals that anyone may give, whatever the stopper: hosts do not know which it reads.
_KNOWN = frozenset({"seconds", "lr", *_SUPPLIED_BY})
#: Signals that training supplies: at the validation before the first step there are none yet.
FROM_TRAINING = frozenset({"train_loss", "stop"})


def check_known(names: Iterable[str], read: Set[str]) -> None:
    """Check that a stopper reads these signals, or one might.

    Args:
        names: of the signals that were given.
        read: what this recipe's stopper requires or uses.

    Raises:
        InputError: nothing knows one.
    """
    for name in names:
        if name not in read and name not in _KNOWN:
            known = sorted({*read, *_KNOWN})
            raise InputError(
                f"run.observe() knows no signal {quoted(name)}, and nothing of this recipe reads it;"
                f"{did_you_mean(name, known, ' {}')} leave it out, or give one of {', '.join(known)}."
            )


def how_to_give(missing: Sequence[str]) -> str:
    """What to do about signals that are missing, as the end of a sentence."""
    arguments = ", ".join(f"{name}=..." for name in missing)
    sources = "".join(f"; {_SUPPLIED_BY[name]}" for name in missing if name in _SUPPLIED_BY)
    return f"call run.observe(value, {arguments}){sources}"


def one_number(what: str, value: Any) -> float:
    """The metric or a signal as a float; InputError where it is no number, or several."""
    try:
        if isinstance(value, str | bytes):  # float() would read them
            raise TypeError
        return float(value.detach() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several numbers
        raise InputError(f"run.observe() takes {what} as one number, got {quoted(value)}.") from None
