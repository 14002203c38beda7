"""Compares nested mappings of tensors and says where they differ."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from metaopt.testing.errors import ConformanceError, require
from metaopt.testing.location import where_it_returns


def require_close(actual: Any, expected: Any, claim: str, *, rtol: float, atol: float, at: Any = None) -> None:
    """Raise ConformanceError unless all numbers agree; `claim` names what is compared."""
    mine, theirs = flat(actual), flat(expected)
    require(mine.keys() == theirs.keys(), f"{claim}: keys {sorted(mine)} against {sorted(theirs)}.", at)
    for path, value in mine.items():
        _require_tensors_close(value, theirs[path], f"{claim}: {path}", rtol, atol, at)


def require_same(actual: Any, expected: Any, claim: str, at: Any = None) -> None:
    """Raise ConformanceError unless all numbers are bit-identical, NaN included."""
    require_close(actual, expected, claim, rtol=0, atol=0, at=at)


def require_same_layout(actual: Any, expected: Any, claim: str, at: Any = None) -> None:
    """Raise ConformanceError unless keys, shapes and dtypes agree."""
    mine, theirs = flat(actual), flat(expected)
    require(mine.keys() == theirs.keys(), f"{claim}: keys {sorted(mine)}, expected {sorted(theirs)}.", at)
    for path, value in mine.items():
        actual_type, expected_type = (
            f"{tensor.dtype} of shape {tuple(tensor.shape)}" for tensor in (value, theirs[path])
        )
        require(actual_type == expected_type, f"{claim}: {path} is {actual_type}, expected {expected_type}.", at)


def require_finite(values: Any, claim: str, at: Any = None) -> None:
    """Raise ConformanceError if a number is NaN or infinite, at the line where the function `at` returns."""
    for path, value in flat(values).items():
        if not bool(torch.isfinite(value).all()):
            message = f"{claim}: {path} is not finite: {first_not_finite(value)}."
            raise ConformanceError(message, at, None if at is None else where_it_returns(at))


def flat(values: Any, prefix: str = "") -> dict[str, Tensor]:
    """All tensors of nested mappings in one dict, by dotted path."""
    if isinstance(values, Tensor):
        return {prefix or "value": values}
    require(isinstance(values, Mapping), f"{prefix or 'The result'} must be a dict of tensors, got {values!r}.")
    tensors: dict[str, Tensor] = {}
    for key, value in values.items():
        tensors.update(flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return tensors


def _require_tensors_close(actual: Tensor, expected: Tensor, claim: str, rtol: float, atol: float, at: Any) -> None:
    shapes = tuple(actual.shape), tuple(expected.shape)
    require(shapes[0] == shapes[1], f"{claim} has shape {shapes[0]}, expected {shapes[1]}.", at)
    mine, theirs = actual.detach().double(), expected.detach().double()
    apart = ~torch.isclose(mine, theirs, rtol=rtol, atol=atol, equal_nan=True)
    if bool(apart.any()):
        first = int(apart.reshape(-1).nonzero()[0])
        actual_value, expected_value = mine.reshape(-1)[first].item(), theirs.reshape(-1)[first].item()
        count = f"{int(apart.sum())} of {apart.numel()} differ"
        raise ConformanceError(f"{claim} is {actual_value:.9g}, expected {expected_value:.9g} ({count}).", at)


def first_not_finite(value: Tensor) -> str:
    """The first numbers of a tensor that are NaN or infinite, for messages."""
    numbers = value.detach().reshape(-1)
    return str(numbers[~torch.isfinite(numbers)][:3].tolist())
