"""Errors that metaopt raises: one sentence each, saying what is wrong, the value, and what to do."""

import dis

from metaopt.errors.quoting import quoted, without_long_words


class MetaOptError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns for it.

    Words of more than `MAX_QUOTED` characters in its message are cut: no sentence of ours has them, so they are part of
    what somebody gave.
    """

    exit_code = 1

    def __init__(self, *args: object) -> None:
        super().__init__(
            *(without_long_words(argument) if isinstance(argument, str) else argument for argument in args)
        )


class InputError(MetaOptError, ValueError):
    """Something the user gave is wrong: a name, a number, a file, a field."""

    exit_code = 2


class MissingDataError(InputError):
    """Data that does not come with a plugin is not where it should be."""


class PluginError(InputError):
    """A plugin is unknown, broken, duplicated, or used where it cannot work."""


class RefusedError(InputError):
    """A library's class does not take the hyperparameters that it is given."""


class UnsteppableError(PluginError):
    """A library's class cannot step these parameters."""


class RecipeError(InputError):
    """A recipe is corrupt, newer than this metaopt, or does not fit the model."""


class OutOfDepthError(MetaOptError):
    """Gradients overflow, or a learned rule is used where it cannot be trusted, and nothing was to take over."""


class StorageError(InputError):
    """A ledger cannot be reached, belongs to something else, or cannot be written."""


class RankError(MetaOptError):
    """Processes that train one model did not come together: one is gone, late, or does something else."""


class TerminatedError(BaseException):
    """SIGTERM came, as from a scheduler or from `kill`; like Ctrl-C, only the command handles it."""


def first_line(error: BaseException, limit: int = 200) -> str:
    """What somebody's exception says, fit for the middle of a sentence: never empty, one line, no full stop.

    It is the first line of the message that is not blank. An exception without a message, such as that of a bare
    `assert`, is called by its type, and so is one whose message is only a key.

    Args:
        error: whatever was raised.
        limit: characters after which a message that is not metaopt's own is cut; 80 where it quotes what a user gave.
    """
    message = _message(error)
    if isinstance(error, MetaOptError) and message:
        return message
    return named_line(error, limit) if isinstance(error, KeyError) else _cut(message or type(error).__name__, limit)


def named_line(error: BaseException, limit: int = 200) -> str:
    """The exception's type before its `first_line`: `ValueError: what it says`, or `ValueError` if it says nothing.

    A file that the system would not open is named behind it: nobody else here knows which one it was.
    """
    message, name = _message(error), type(error).__name__
    line = _cut(f"{name}: {message}" if message else name, limit)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{line}: {quoted(str(error.filename))}"
    return line


def is_interrupt(error: BaseException) -> bool:
    """Whether the user pressed Ctrl-C, or SIGTERM came.

    Code that says `raise KeyboardInterrupt` by itself is code that fails.
    """
    if not isinstance(error, KeyboardInterrupt):
        return isinstance(error, TerminatedError)
    frames = error.__traceback__
    if frames is None:
        return True
    while frames.tb_next is not None:
        frames = frames.tb_next
    return dis.opname[frames.tb_frame.f_code.co_code[frames.tb_lasti]] != "RAISE_VARARGS"


def _message(error: BaseException) -> str:
    try:
        # The system's own words, without the number before them and the path behind.
        text = (isinstance(error, OSError) and error.strerror) or str(error)
    except Exception:  # a stranger's __str__
        return ""
    lines = (line.strip().rstrip(".: ") for line in text.splitlines())
    printable = "".join(char if char.isprintable() else " " for char in next(filter(None, lines), ""))
    return printable.strip()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
