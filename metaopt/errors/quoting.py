"""How messages repeat what somebody gave: whole where it is short, cut at 80 characters where it is not."""

import difflib
import os
import re
from collections.abc import Iterable
from typing import Any

#: Most characters of what somebody gave that a message repeats.
MAX_QUOTED = 80

#: With a comma or a full stop behind it, it is still no word of more than MAX_QUOTED.
_MAX_REPR = MAX_QUOTED - 2

#: Longest path that a message repeats; what is longer loses its first folders.
_MAX_PATH = 240

_LONG_WORD = re.compile(rf"[^\s/\\]{{{MAX_QUOTED + 1},}}")


def quoted(value: Any) -> str:
    """What somebody gave, as messages repeat it: `repr`, cut at MAX_QUOTED characters; a path whole, if it can be.

    Never raises, whatever `value` is: numbers of thousands of digits, lists that hold themselves, objects whose `repr`
    fails.
    """
    if isinstance(value, os.PathLike):
        return _quoted_path(os.fspath(value))
    try:
        text = repr(value)
    except Exception:  # deep nesting, too many digits, a stranger's __repr__
        return f"<{type(value).__name__}>"
    if len(text) <= _MAX_REPR:
        return text
    end = text[-1] if isinstance(value, str) else ""
    return f"{text[: _MAX_REPR - 1 - len(end)]}…{end}"


def one_line(owner: object, **parts: Any) -> str:
    """A `repr` of one line that tells what something is, and leaves out arrays and whatever else is long."""
    return f"{type(owner).__name__}({', '.join(f'{name}={quoted(value)}' for name, value in parts.items())})"


def listed(values: Iterable[Any], most: int = 8) -> str:
    """Several things somebody gave, or may give, in a row; beyond `most`, how many more there are."""
    items = list(values)
    shown = ", ".join(quoted(value)[1:-1] if isinstance(value, str) else quoted(value) for value in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def bracketed(values: Iterable[Any], most: int = 8) -> str:
    """`listed` as Python writes lists."""
    items = list(values)
    shown = ", ".join(map(quoted, items[:most]))
    return f"[{shown}]" if len(items) <= most else f"[{shown}, …] ({len(items)} in all)"


def did_you_mean(name: str, known: Iterable[str], layout: str) -> str:
    """The part of a sentence that asks after the known name closest to an unknown one; empty where none is close.

    Args:
        name: what the user gave.
        known: what there is.
        layout: the part with `{}` for the question, such as `" ({})"`.
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return layout.format(f"did you mean {close[0]!r}?") if close else ""


def _quoted_path(path: str | bytes) -> str:
    text = repr(os.fsdecode(path))
    text = without_long_words(text)
    return text if len(text) <= _MAX_PATH else f"{text[0]}…{text[2 - _MAX_PATH :]}"


def without_long_words(message: str) -> str:
    """The message with words of more than MAX_QUOTED characters cut; folders of a path are words each."""
    return _LONG_WORD.sub(lambda word: f"{word[0][: MAX_QUOTED - 20]}…{word[0][-19:]}", message)
