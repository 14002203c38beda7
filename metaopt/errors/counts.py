"""Counts: of steps, of examples, of classes."""

from numbers import Integral
from typing import Any

from metaopt.errors.exceptions import InputError
from metaopt.errors.quoting import quoted

#: As a float each count below is exact.
MOST = 2**53


def is_count(value: Any) -> bool:
    """Whether a value is a positive whole number, of Python or NumPy, that a float holds exactly."""
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) < MOST


def check_positive(name: str, value: Any, *, or_none: bool = False) -> None:
    """Check that a value is a positive whole number, or None where that is allowed.

    Args:
        name: of the value, as the sentence shall begin.
        value: what was given.
        or_none: whether None will do.

    Raises:
        InputError: it is none.
    """
    if not is_count(value) and not (or_none and value is None):
        raise InputError(f"{name} must be a positive whole number, got {quoted(value)}.")
