"""A rule's saved state, compared entry by entry with what the rule begins with, and brought to its precision."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import Tensor

from metaopt.contracts import State
from metaopt.deploy.state.class_state import check_entries
from metaopt.errors import InputError, quoted

TensorState: TypeAlias = Mapping[str, Any]


def fitted(state: Mapping[Any, TensorState], begun: State, names: Mapping[Any, str], title: str) -> dict[Any, Any]:
    """The tensors' states in the dtypes of `begun`.

    Args:
        state: saved, by the parameters' numbers.
        begun: what the rule keeps of each parameter, by name; its numbers are not looked at.
        names: of the parameters, by number.
        title: of the rule, for messages.

    Raises:
        InputError: an entry is missing or unknown, or has another shape.
    """
    made = {}
    for number, name in names.items():
        if number in state:
            made[number] = _entries(state[number], begun["tensors"].get(name, {}), title, name)
    return made


def fitted_shared(shared: TensorState, begun: State, title: str) -> dict[str, Any]:
    """The same of what all tensors share; empty before the first step."""
    return _entries(shared, begun["shared"], title, "all") if shared else {}


def _entries(found: TensorState, wanted: Mapping[str, Tensor], title: str, name: str) -> dict[str, Any]:
    check_entries(found, wanted, title, name)
    unknown = sorted(set(found) - set(wanted))
    if unknown:
        raise InputError(
            f"This state_dict cannot continue as {title!r}: its state of the parameter {quoted(name)} holds "
            f"{unknown[0]!r}, which that does not know."
        )
    return {key: _precise(value, wanted[key]) for key, value in found.items()}


def _precise(value: Any, wanted: Tensor) -> Any:
    floats = isinstance(value, Tensor) and value.is_floating_point() and wanted.is_floating_point()
    return value.to(wanted.dtype) if floats and value.dtype != wanted.dtype else value
