"""A rule's saved state, compared entry by entry with what the rule begins with, and brought to its precision."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import Tensor

from metaopt.contracts import State
from metaopt.deploy.state.class_state import check_entries
from metaopt.errors import InputError, quoted

TensorState: TypeAlias = Mapping[str, Any]


def fitted(state: Mapping[Any, TensorState], fresh: State, names: Mapping[Any, str], title: str) -> dict[Any, Any]:
    """The tensors' states in the dtypes of `fresh`.

    Args:
        state: saved, by the parameters' numbers.
        fresh: what the rule keeps of each parameter, by name; its numbers are not looked at.
        names: of the parameters, by number.
        title: of the rule, for messages.

    Raises:
        InputError: an entry is missing or unknown, or has another shape.
    """
    states = {}
    for number, name in names.items():
        if number in state:
            states[number] = _entries(state[number], fresh["tensors"].get(name, {}), title, name)
    return states


def fitted_shared(shared: TensorState, fresh: State, title: str) -> dict[str, Any]:
    """The state that all tensors share, in the dtypes of `fresh`; empty before the first step."""
    return _entries(shared, fresh["shared"], title, "all") if shared else {}


def _entries(saved: TensorState, expected: Mapping[str, Tensor], title: str, name: str) -> dict[str, Any]:
    check_entries(saved, expected, title, name)
    unknown = sorted(set(saved) - set(expected))
    if unknown:
        raise InputError(
            f"This state_dict cannot continue as {title!r}: its state of the parameter {quoted(name)} holds "
            f"{unknown[0]!r}, which that does not know."
        )
    return {key: _precise(value, expected[key]) for key, value in saved.items()}


def _precise(value: Any, wanted: Tensor) -> Any:
    floats = isinstance(value, Tensor) and value.is_floating_point() and wanted.is_floating_point()
    return value.to(wanted.dtype) if floats and value.dtype != wanted.dtype else value
