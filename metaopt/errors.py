"""Errors that metaopt raises: one sentence each, saying what is wrong, the value, and what to do."""

import difflib
from collections.abc import Iterable


class MetaOptError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns for it."""

    exit_code = 1


class InputError(MetaOptError, ValueError):
    """Something the user gave is wrong: a name, a number, a file, a field."""

    exit_code = 2


class MissingDataError(InputError):
    """Data that does not come with a plugin is not where it should be."""


class PluginError(InputError):
    """A plugin is unknown, broken, duplicated, or used where it cannot work."""


class RecipeError(InputError):
    """A recipe is corrupt, newer than this metaopt, or does not fit the model."""


class OutOfDepthError(MetaOptError):
    """A learned rule is used where it cannot be trusted, and nothing was to take over."""


class StorageError(InputError):
    """A ledger cannot be reached, belongs to something else, or cannot be written."""


def did_you_mean(name: str, known: Iterable[str], layout: str) -> str:
    """The part of a sentence that asks after the known name closest to an unknown one; empty where none is close.

    Args:
        name: what the user gave.
        known: what there is.
        layout: the part with `{}` for the question, such as `" ({})"`.
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return layout.format(f"did you mean {close[0]!r}?") if close else ""
