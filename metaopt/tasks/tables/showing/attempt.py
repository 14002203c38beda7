"""Reading on after each refusal, as if the owner had pasted what it proposes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from metaopt.errors import InputError
from metaopt.tasks.tables.refusal import Refusal, UnusableTableError
from metaopt.tasks.tables.showing.proposals import applied, merged

#: How often what is refused may hide what is refused next.
_MOST_ROUNDS = 20

Settings = TypeVar("Settings")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Attempt(Generic[Settings, Made]):
    """What came of it.

    Attributes:
        made: what was to be made; None where no setting helps.
        settings: with which it was.
        refusals: why it was not before.
        proposal: keys of `corpus.toml` that were taken over.
    """

    made: Made | None
    settings: Settings
    refusals: tuple[Refusal, ...]
    proposal: Mapping[str, Any]

    @property
    def choices(self) -> tuple[str, ...]:
        """What else the proposed keys may say."""
        return tuple(dict.fromkeys(refusal.choice for refusal in self.refusals if refusal.choice))


def attempted(make: Callable[[Settings], Made], settings: Settings) -> Attempt[Settings, Made]:
    """Make something, with what each refusal proposes.

    Args:
        make: from settings; raises an `UnusableTableError` where further settings may help, another `InputError` where
            none does.
        settings: a dataclass, what `corpus.toml` says.
    """
    refusals: list[Refusal] = []
    proposal: dict[str, Any] = {}
    current = settings
    for _ in range(_MOST_ROUNDS):
        try:
            return Attempt(make(current), current, tuple(refusals), proposal)
        except UnusableTableError as error:
            refusals += [refusal for refusal in error.refusals if refusal not in refusals]
            known = {key: _plain(getattr(settings, key)) for refusal in error.refusals for key in refusal.settings}
            proposal = merged({**known, **proposal}, error.refusals)
            following = applied(settings, proposal)
            if following == current:
                break
            current = following
        except InputError as error:
            refusals.append(Refusal("", str(error), ""))
            break
    return Attempt(None, current, tuple(refusals), proposal)


def _plain(value: Any) -> Any:
    """A setting as `corpus.toml` has it; None where it says nothing."""
    if isinstance(value, tuple):
        return list(value)
    return None if value is True or value == 0 else value
