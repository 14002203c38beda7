"""Runs a check in several dtypes: all of them, even where the first fails."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from metaopt.testing.answers import describe_error
from metaopt.testing.errors import ConformanceError, NotApplicable
from metaopt.testing.location import locate


def in_each(dtypes: Sequence[torch.dtype], check: Callable[[torch.dtype], None], plugin: Any) -> None:
    """Run a check in each dtype.

    Args:
        dtypes: the dtypes to try, in this order.
        check: raises where its claim does not hold.
        plugin: whatever holds the plugin's functions, to find lines in.

    Raises:
        ConformanceError: the check fails in some dtypes; equal failures are reported once, with their dtypes.
    """
    failures: dict[torch.dtype, BaseException] = {}
    for dtype in dtypes:
        try:
            check(dtype)
        except NotApplicable:
            raise
        except (Exception, SystemExit) as error:  # raised by the plugin itself
            failures[dtype] = error
    if failures:
        raise _together(failures, plugin)


def _together(failures: dict[torch.dtype, BaseException], plugin: Any) -> ConformanceError:
    """One error for all failures: it has the line of the first, and its message the lines of the others."""
    alike: dict[str, list[torch.dtype]] = {}
    for dtype, error in failures.items():
        alike.setdefault(_message(error).replace(str(dtype), "{}"), []).append(dtype)
    (_, first), *further_failures = failures.items()
    at = first.at if isinstance(first, ConformanceError) else None
    location = first.location if isinstance(first, ConformanceError) else None
    parts = []
    for dtypes in alike.values():
        error = failures[dtypes[0]]
        also = f" The same in {', '.join(map(str, dtypes[1:]))}." if dtypes[1:] else ""
        where = "" if error is first else _line(error, plugin)
        parts.append(f"{_message(error)}{also}{where}")
    if further_failures and len(alike) > 1:
        parts = [f"In {dtypes[0]}: {part}" for dtypes, part in zip(alike.values(), parts, strict=True)]
    combined = ConformanceError(" ".join(parts), at, location)
    combined.__cause__ = first.__cause__ or (None if isinstance(first, ConformanceError) else first)
    return combined.with_traceback(first.__traceback__)


def _message(error: BaseException) -> str:
    return error.message if isinstance(error, ConformanceError) else f"It raised {describe_error(error)}"


def _line(error: BaseException, plugin: Any) -> str:
    location = error.location if isinstance(error, ConformanceError) else None
    line = location or locate(plugin, error.__traceback__)
    return f" ({line.path}:{line.line})" if line else ""
