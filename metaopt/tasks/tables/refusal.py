"""Columns that cannot be used, all of a file in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.errors import InputError, quoted

#: Characters of a sentence that names several columns.
_MOST_CHARACTERS = 480

_ADVICE = "correct them, or list them under drop, or under categories where they are labels, in corpus.toml"


@dataclass(frozen=True)
class Refusal:
    """Why a column cannot be used.

    Attributes:
        column: its name.
        fault: what follows its name in a sentence, such as `" is empty in every row"`.
        advice: what to do.
        hint: what to do, in a few words, where several columns are named and the advice for all does not help.
    """

    column: str
    fault: str
    advice: str
    hint: str = ""


def refused(where: str, refusals: Sequence[Refusal]) -> InputError:
    """The error that names all columns of a file that cannot be used.

    Args:
        where: the file.
        refusals: at least one.
    """
    if len(refusals) == 1:
        only = refusals[0]
        return InputError(f"{where}, column {quoted(only.column)}{only.fault}; {only.advice}.")
    beginning = f"{where} has {len(refusals)} columns that cannot be used: "
    room = _MOST_CHARACTERS - len(beginning) - len(_ADVICE)
    parts: list[str] = []
    for refusal in refusals:
        part = f"{quoted(refusal.column)}{refusal.fault}{refusal.hint and f' ({refusal.hint})'}"
        if parts and len("; ".join([*parts, part])) > room - 15:
            break
        parts.append(part)
    rest = f"; and {len(refusals) - len(parts)} more" if len(parts) < len(refusals) else ""
    return InputError(f"{beginning}{'; '.join(parts)}{rest}: {_ADVICE}.")
