"""What goes wrong, and how it is said."""

from metaopt.errors.arguments import check_positive, checked_function, is_count, known_keywords, refuse_mistyped
from metaopt.errors.exceptions import (
    InputError,
    MetaOptError,
    MissingDataError,
    OutOfDepthError,
    PluginError,
    RankError,
    RecipeError,
    RefusedError,
    StorageError,
    TerminatedError,
    UnsteppableError,
    first_line,
    is_interrupt,
    named_line,
)
from metaopt.errors.quoting import MAX_QUOTED, bracketed, did_you_mean, listed, one_line, quoted, without_long_words

__all__ = [
    "MAX_QUOTED",
    "InputError",
    "MetaOptError",
    "MissingDataError",
    "OutOfDepthError",
    "PluginError",
    "RankError",
    "RecipeError",
    "RefusedError",
    "StorageError",
    "TerminatedError",
    "UnsteppableError",
    "bracketed",
    "check_positive",
    "checked_function",
    "did_you_mean",
    "first_line",
    "is_count",
    "is_interrupt",
    "known_keywords",
    "listed",
    "named_line",
    "one_line",
    "quoted",
    "refuse_mistyped",
    "without_long_words",
]
