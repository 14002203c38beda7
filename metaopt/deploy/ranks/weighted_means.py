"""What ranks agree on: means of what each has measured on its own examples, the same numbers on all of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from metaopt.deploy.ranks.rank_group import Call, RankGroup
from metaopt.errors import InputError, RankError, quoted

#: The signal that is no mean: the clock of the first rank is everyone's.
SECONDS = "seconds"


@dataclass(frozen=True)
class Validation:
    """One validation, as a rank measured it or as all of them agree on it.

    Attributes:
        value: the metric.
        signals: by name; None where it is not known, of all ranks where none knows it.
        is_sound: whether the last training loss is finite; of all ranks, whether each one's is.
        is_over: whether training is over for a reason that no validation shows; of all ranks, whether any one's is.
    """

    value: float
    signals: Mapping[str, float | None]
    is_sound: bool
    is_over: bool


def checked_examples(num_examples: Any) -> float | None:
    """A number of examples, or None; InputError where it is no finite number of 0 or more."""
    if num_examples is None:
        return None
    try:
        count = math.nan if isinstance(num_examples, str | bytes) else float(num_examples)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several numbers
        count = math.nan
    if not 0 <= count < math.inf:
        raise InputError(
            f"num_examples is how many examples a mean is taken over, 0 or more, got {quoted(num_examples)}."
        )
    return count


def mean_loss(ranks: RankGroup, loss: Tensor, num_examples: float | None, step: int) -> Tensor:
    """The mean of a 0-d loss over ranks, in its dtype (float32 or better) and on its device.

    A rank without examples does not count, whatever its loss is; NaN where no rank has any.

    Raises:
        RankError: see `RankGroup.gathered`; or ranks give `num_examples` and others do not.
    """
    stated, weight = _weight(num_examples)
    rows = ranks.gathered(Call.LOSS, step, [loss, weight, stated])
    _check_alike(ranks, Call.LOSS, step, {rank: row[2] for rank, row in rows.items()}, "num_examples is")
    dtype = torch.promote_types(loss.dtype, torch.float32)
    return torch.tensor(_mean([(row[0], row[1]) for row in rows.values()]), dtype=dtype, device=loss.device)


def agreed_validation(ranks: RankGroup, own: Validation, num_examples: float | None, step: int) -> Validation:
    """What all ranks agree on: means of metric and signals, `seconds` of the first rank.

    The metric's mean is weighted by examples where these are given, and ranks without examples do not count. A signal's
    mean is over the ranks that know it; NaN on a rank without examples stands for one that is not known.

    Raises:
        RankError: see `RankGroup.gathered`; or the ranks give other signals, or some `num_examples` and others not.
    """
    names, (stated, weight) = sorted(own.signals), _weight(num_examples)
    head = [own.value, weight, stated, float(crc32("\n".join(names).encode())), own.is_sound, own.is_over]
    signals = [pair for name in names for pair in _known(own.signals[name], weight)]
    told = ranks.gathered(Call.OBSERVE, step, [*map(float, head), *signals])
    rows, given = list(told.values()), f"signals are ({', '.join(names)} here)"
    _check_alike(ranks, Call.OBSERVE, step, {rank: row[2] for rank, row in told.items()}, "num_examples is")
    _check_alike(ranks, Call.OBSERVE, step, {rank: row[3] for rank, row in told.items()}, given)
    means: dict[str, float | None] = {}
    for place, name in enumerate(names):
        pairs = [(row[len(head) + 2 * place], row[len(head) + 2 * place + 1]) for row in rows]
        means[name] = _mean(pairs[:1] if name == SECONDS else pairs) if any(weight for _, weight in pairs) else None
    value = _mean([(row[0], row[1]) for row in rows])
    return Validation(value, means, all(row[4] for row in rows), any(row[5] for row in rows))


def agree_on_all(ranks: RankGroup, holds: bool, step: int) -> bool:
    """Whether something that weights show holds on every rank, each of which may have a part of them."""
    return all(row[0] for row in ranks.gathered(Call.WEIGHTS, step, [float(holds)]).values())


def norm_of_parts(ranks: RankGroup, norm: Tensor, step: int) -> Tensor:
    """The Euclidean norm of gradients of which each rank has a part, from the norms of the parts, 0-d."""
    rows = ranks.gathered(Call.GRADIENTS, step, [norm])
    return torch.tensor(math.hypot(*(row[0] for row in rows.values())), dtype=norm.dtype, device=norm.device)


def _weight(num_examples: float | None) -> tuple[float, float]:
    """Whether the number of examples is given, and the weight of a mean over them."""
    return (0.0, 1.0) if num_examples is None else (1.0, num_examples)


def _known(signal: float | None, examples: float) -> tuple[float, float]:
    """A signal and its weight."""
    if signal is None or (math.isnan(signal) and not examples):
        return 0.0, 0.0
    return signal, 1.0


def _mean(pairs: Sequence[tuple[float, float]]) -> float:
    """Of numbers with their weights, in the order of ranks, so that it is one number on all of them."""
    total = sum(weight for _, weight in pairs)
    return sum(number * weight for number, weight in pairs if weight) / total if total else math.nan


def _check_alike(ranks: RankGroup, call: Call, step: int, told: Mapping[int, float], what: str) -> None:
    others = [rank for rank, number in told.items() if number != told[ranks.rank]]
    if others:
        raise RankError(
            f"rank {ranks.rank}, {call.value} at step {step}: {what} given by some ranks and not by others (rank "
            f"{others[0]} differs from this one); give the same on all of them."
        )
