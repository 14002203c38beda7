"""Whose state a `state_dict` holds: a rule's continues as that rule alone, and never as a library's class."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from metaopt.errors import InputError

#: Key of the first param group that names the rule, as `AssemblyOptimizer.title` does.
RULE = "rule"

_ADVICE = "create the optimizer with the same name and implementation as when it was saved."


def check_saved(title: str, document: Mapping[str, Any]) -> None:
    """Check that an `AssemblyOptimizer` of this title saved `document`.

    Raises:
        InputError: something else did.
    """
    saved = _rule_of(document)
    if saved != title:
        source = f"the rule {saved!r}" if saved else "another optimizer class"
        raise InputError(f"This state_dict was saved by {source} and cannot continue as {title!r}; {_ADVICE}")


def refuse_rules_state(optimizer: Optimizer, document: Mapping[str, Any]) -> None:
    """A pre-hook for `load_state_dict` of a library's class, which would take a rule's state and trip on it later.

    Raises:
        InputError: an `AssemblyOptimizer` saved `document`.
    """
    saved = _rule_of(document)
    if saved:
        raise InputError(
            f"This state_dict was saved by the rule {saved!r} and cannot continue as {type(optimizer).__qualname__}; "
            f"{_ADVICE}"
        )


def _rule_of(document: Mapping[str, Any]) -> str | None:
    groups = document.get("param_groups") or [{}]
    name: str | None = groups[0].get(RULE)
    return name
