"""Keywords that people mistype: the sentence names the one that they may have meant."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

from metaopt.errors.exceptions import InputError
from metaopt.errors.quoting import did_you_mean, quoted

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
