"""What cannot be used, all of a file in one sentence, with what `corpus.toml` would have to say to use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metaopt.errors import InputError, quoted

#: Characters of a sentence that names several columns.
_MOST_CHARACTERS = 480

_ADVICE = "correct them, or list them under drop, or under categories where they are labels, in corpus.toml"


@dataclass(frozen=True)
class Refusal:
    """Why a column, or a file, cannot be used.

    Attributes:
        column: its name; empty where the whole file is meant.
        fault: what follows its name in a sentence, such as `" is empty in every row"`; of a file, the whole sentence.
        advice: what to do.
        hint: what to do, in a few words, where several columns are named and the advice for all does not help.
        settings: keys of `corpus.toml` with which it can be used.
        choice: what else these might say, where nobody but the owner knows.
    """

    column: str
    fault: str
    advice: str
    hint: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    choice: str = ""

    def sentence(self, where: str) -> str:
        """The refusal by itself."""
        if not self.column and self.advice == "":
            return self.fault
        return f"{where}, column {quoted(self.column)}{self.fault}; {self.advice}."


class UnusableTableError(InputError):
    """A table that cannot be used as it is.

    Attributes:
        refusals: why, at least one.
    """

    def __init__(self, message: str, refusals: Sequence[Refusal] = ()) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)


def refused(where: str, refusals: Sequence[Refusal]) -> UnusableTableError:
    """The error that names all columns of a file that cannot be used.

    Args:
        where: the file.
        refusals: at least one.
    """
    if len(refusals) == 1:
        return UnusableTableError(refusals[0].sentence(where), refusals)
    beginning = f"{where} has {len(refusals)} columns that cannot be used: "
    room = _MOST_CHARACTERS - len(beginning) - len(_ADVICE)
    parts: list[str] = []
    for refusal in refusals:
        part = f"{quoted(refusal.column)}{refusal.fault}{refusal.hint and f' ({refusal.hint})'}"
        if parts and len("; ".join([*parts, part])) > room - 15:
            break
        parts.append(part)
    rest = f"; and {len(refusals) - len(parts)} more" if len(parts) < len(refusals) else ""
    return UnusableTableError(f"{beginning}{'; '.join(parts)}{rest}: {_ADVICE}.", refusals)


def refused_file(sentence: str, settings: Mapping[str, Any] | None = None, choice: str = "") -> UnusableTableError:
    """The error of a file that cannot be used whatever its columns hold.

    Args:
        sentence: names the file.
        settings: see `Refusal`.
        choice: see `Refusal`.
    """
    return UnusableTableError(sentence, [Refusal("", sentence, "", settings=settings or {}, choice=choice)])
