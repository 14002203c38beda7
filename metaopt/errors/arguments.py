"""What functions are given: keywords, whose sentence names the one that may have been meant, and counts."""

import difflib
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import signature
from numbers import Integral
from typing import Any, TypeVar

from metaopt.errors.exceptions import InputError
from metaopt.errors.quoting import did_you_mean, quoted

#: As a float each count below is exact.
MOST = 2**53

_Class = TypeVar("_Class")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def known_keywords(error: type[InputError] = InputError) -> Callable[[type[_Class]], type[_Class]]:
    """Class decorator, outside of `dataclass`: a keyword that `__init__` does not take raises `error`, one sentence.

    Example:
        >>> from dataclasses import dataclass
        >>> @known_keywords()
        ... @dataclass
        ... class Note:
        ...     summary: str = ""
        >>> Note(sumary="short")
        Traceback (most recent call last):
        metaopt.errors.exceptions.InputError: Note takes no 'sumary'; did you mean 'summary'? It takes summary.
    """

    def decorated(cls: type[_Class]) -> type[_Class]:
        cls.__init__ = _checked(cls.__name__, cls.__init__, error)  # type: ignore[method-assign]
        return cls

    return decorated


def checked_function(error: type[InputError] = InputError) -> Callable[[_Function], _Function]:
    """Decorator of functions without `**keywords`: as `known_keywords` for classes."""
    return lambda function: _checked(function.__name__, function, error)


def refuse_mistyped(function: Callable[..., Any], hparams: Iterable[str], known: Iterable[str]) -> None:
    """Refuse what looks like a keyword of a function that takes a plugin's hyperparameters as `**hparams` besides.

    Args:
        function: whose own keywords may have been meant.
        hparams: what it was given besides those.
        known: the plugin's hyperparameters.

    Raises:
        InputError: one that is no hyperparameter is closer to one of the function's keywords than to any of these.
    """
    names = set(known)
    for keyword in [keyword for keyword in hparams if keyword not in names]:
        own = [each.name for each in signature(function).parameters.values() if each.kind is each.KEYWORD_ONLY]
        meant = difflib.get_close_matches(keyword, [*own, *names], n=1)
        if meant and meant[0] in own:
            raise InputError(f"{function.__name__} takes no {quoted(keyword)}; did you mean {meant[0]!r}?")


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


def check_seed(seed: Any, name: str = "seed") -> None:
    """Check that a value is a whole number that generators of random numbers take.

    Args:
        seed: what was given.
        name: of the value, as the sentence shall begin.

    Raises:
        InputError: it is none.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= int(seed) < 2**32:
        raise InputError(f"{name} must be a whole number from 0 to 2^32 - 1, got {quoted(seed)}.")


def _checked(name: str, function: _Function, error: type[InputError]) -> _Function:
    names = [parameter for parameter in signature(function).parameters if parameter != "self"]
    known = frozenset(names)

    @wraps(function)
    def checked(*args: Any, **keywords: Any) -> Any:
        if not keywords.keys() <= known:
            unknown = next(keyword for keyword in keywords if keyword not in known)
            hint = did_you_mean(unknown, names, "; {} It") or "; it"
            raise error(f"{name} takes no {quoted(unknown)}{hint} takes {', '.join(names)}.")
        return function(*args, **keywords)

    return checked  # type: ignore[return-value]
