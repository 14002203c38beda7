"""A saved state that is damaged, or none at all: one sentence instead of whatever its loader stumbled over."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from metaopt.errors import InputError, MetaOptError, named_line, quoted
from metaopt.space import as_float


@contextmanager
def refusing_damage(owner: str) -> Iterator[None]:
    """A context in which a state is loaded.

    Args:
        owner: whose state it should be, such as `"a scheduler"`.

    Raises:
        InputError: loading raised; what metaopt raises on purpose comes out as it is.
    """
    try:
        yield
    except MetaOptError:
        raise
    except Exception as error:  # a damaged state may be anything, and so may what it leads to
        raise InputError(
            f"This is no state of {owner}, or a damaged one: loading it raised {named_line(error)}; load another copy."
        ) from error


def check_groups(saved: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]) -> None:
    """Compare saved param groups with this optimizer's: values of hyperparameters may differ, their types may not.

    Raises:
        InputError: a number, a flag or a pair is something else in the state.
    """
    for group, mine in zip(saved, own, strict=True):
        for key in sorted(set(mine) & set(group) - {"params", "param_names"}):
            if not _is_alike(group[key], mine[key]):
                raise InputError(
                    f"This state_dict is damaged: its {quoted(key)} is {quoted(group[key])}, where this optimizer has "
                    f"{quoted(mine[key])}; load another copy."
                )


def checked_count(count: Any) -> int:
    """A number of steps as an int; ValueError for anything else."""
    if not -1 <= int(count) < 2**53:  # a scheduler begins at -1
        raise ValueError(f"a number of steps must be a whole number, got {quoted(count)}")
    return int(count)


def checked_rates(rates: Sequence[Any], num_groups: int) -> list[float | Tensor]:
    """Copies of learning rates, one a param group; ValueError for anything else, and for rates beyond float32."""
    if len(rates) != num_groups:
        raise ValueError(f"there must be {num_groups} rates, one a param group, got {quoted(rates)}")
    if isinstance(rates, str) or not all(abs(float(rate)) <= torch.finfo(torch.float32).max for rate in rates):
        raise ValueError(f"rates must be numbers within float32, got {quoted(rates)}")
    return copy.deepcopy(list(rates))


def _is_alike(value: Any, mine: Any) -> bool:
    if value is None or mine is None:
        return True
    if isinstance(mine, bool) or isinstance(value, bool):
        return isinstance(mine, bool | int) and isinstance(value, bool | int)
    if isinstance(mine, Tensor | Real):
        if isinstance(value, Tensor):
            return value.numel() == 1
        return math.isfinite(as_float(value)) or value == mine  # a limit that is none
    if isinstance(mine, list | tuple):
        return isinstance(value, list | tuple) and len(value) == len(mine) and all(map(_is_alike, value, mine))
    return isinstance(value, str) if isinstance(mine, str) else True


def check_entries(state: Any, needed: Set[str]) -> None:
    """Check that a run's state is a mapping and has what a run needs; InputError otherwise."""
    if not isinstance(state, Mapping):
        raise InputError(f"A run continues from its state_dict(), got {quoted(state)}.")
    missing = sorted(needed - set(state))
    if missing:
        raise InputError(f"This is not what run.state_dict() returned: it lacks {', '.join(missing)}.")
