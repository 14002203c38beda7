"""How a check says that a plugin fails, or that there is nothing to check."""

import unittest
from collections.abc import Callable
from typing import Any

from metaopt.testing.location import Location


class ConformanceError(AssertionError):
    """A plugin breaks its contract.

    Args:
        message: what is wrong, with the value.
        at: the plugin's function to point to, where no traceback leads to a line.
        location: the offending line, where it is known.
    """

    def __init__(self, message: str, at: Callable[..., Any] | None = None, location: Location | None = None) -> None:
        self.message = message
        self.at = at
        self.location = location
        super().__init__(message if location is None else f"{message}\n{location}")


class NotApplicable(unittest.SkipTest):
    """The check does not concern this plugin; the message says why."""


class Blocked(NotApplicable):
    """The check could not run, since a check that it builds on failed; the message names that check."""


def require(holds: bool, message: str, at: Callable[..., Any] | None = None) -> None:
    """Raise ConformanceError unless `holds`."""
    if not holds:
        raise ConformanceError(message, at)
