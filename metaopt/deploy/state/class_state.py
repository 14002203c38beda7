"""The state of a library's class: what it must look like, and how it becomes that of the rule and back."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.classes.native_class import class_maker, native_arguments, native_class
from metaopt.deploy.optimizer.parameters import Group, group_values, packed
from metaopt.deploy.state.saved_state import FIRST_GROUP_KEYS, STEPS
from metaopt.deploy.state.stand_ins import EXECUTION, expected_state
from metaopt.deploy.state.training_point import without_points
from metaopt.errors import InputError, PluginError, quoted
from metaopt.plugin import Native
from metaopt.space import defaults

#: A state_dict with its groups, arranged as the parameters at hand.
Document: TypeAlias = Mapping[str, Any]
TensorState: TypeAlias = dict[str, Any]

_AVERAGES = (
    "This state_dict was saved with averaged weights in the parameters; call optimizer.train() before saving both."
)


def as_rules(document: Document, assembly: Assembly, fresh: Mapping[Any, TensorState]) -> dict[str, Any]:
    """A class's state as that of its rule.

    Args:
        document: saved by the class.
        assembly: of the rule; its wrappers, if any, are left alone.
        fresh: the rule's state before the first step, by the parameters' numbers.

    Raises:
        InputError: the parameters hold averages, or entries are missing that the rule cannot do without.
    """
    native = _native(assembly)
    groups = document["param_groups"]
    if any(group.get("train_mode") is False and group.get("k") for group in groups):
        raise InputError(_AVERAGES)
    steps = _steps_of_class(document, native)
    state: dict[Any, TensorState] = {}
    for group in groups:
        counters = {key: group[own] for key, own in native.group_state.items() if own in group}
        for number in group["params"]:
            if number in document["state"]:
                state[number] = _as_rules(document["state"][number], counters, fresh[number])
    stand_in = _stand_in(assembly)
    for group in groups:
        check_settings(group, stand_in.defaults, type(stand_in), assembly)
    dropped = set(stand_in.defaults) - {*packed(assembly), *_USERS}
    # A class may hold None for a default: Muon for a choice, Adafactor within a pair.
    assumed = assembly.optimizer.pack(defaults(assembly.optimizer.space))
    # What a class does not know, such as the precision of Muon's rounds, is as the rule was made.
    clean = [
        {
            **packed(assembly),
            **{key: _assumed(value, assumed.get(key)) for key, value in group.items() if key not in dropped},
        }
        for group in groups
    ]
    clean[0] = {STEPS: steps, **clean[0]}
    return {**document, "state": state, "param_groups": clean}


def as_classes(document: Document, assembly: Assembly, own_groups: Sequence[Group]) -> dict[str, Any]:
    """A rule's state as that of its class.

    Args:
        document: saved by the rule.
        assembly: of the rule, bare.
        own_groups: param groups of the class, which shall continue.

    Raises:
        InputError: the class cannot hold it: its values, counters of a group's tensors that differ, or training weights
            of parameters that hold averages.
    """
    if without_points(document["state"])[1]:
        raise InputError(_AVERAGES)
    native = _native(assembly)
    name = native.qualname
    steps = float(document["param_groups"][0].get(STEPS, 0))
    groups: list[Group] = []
    for saved, own in zip(document["param_groups"], own_groups, strict=True):
        values = {**assembly.rule_values, **group_values(assembly, saved)}
        try:
            arguments = native_arguments(assembly, values)
        except PluginError as error:
            raise InputError(f"This state_dict cannot continue as {name}: {error}") from error
        users = {key: value for key, value in saved.items() if key not in {*packed(assembly), *FIRST_GROUP_KEYS}}
        counters = _counters([document["state"].get(number, {}) for number in saved["params"]], native, own)
        groups.append({**own, **users, **arguments, **counters, "params": saved["params"]})
    expected = expected_state(native_class(native), groups, own_groups)
    state = {
        number: {key: _from_rule(key, document["state"][number], steps) for key in expected[number]}
        for number in expected
        if document["state"].get(number)
    }
    return {**document, "state": state, "param_groups": groups}


def check_settings(
    group: Mapping[str, Any], own: Mapping[str, Any], kind: type[Optimizer], assembly: Assembly
) -> frozenset[str]:
    """Compare the settings of a class that are no hyperparameters, such as `amsgrad`.

    Args:
        group: a saved one.
        own: what they must be.
        kind: the class.
        assembly: that has the hyperparameters.

    Returns:
        Their names.

    Raises:
        InputError: one is another.
    """
    classes = [base for base in kind.__mro__ if issubclass(base, Optimizer) and base is not Optimizer]
    arguments = {name for base in classes for name in inspect.signature(base).parameters}
    hyperparameters = set(native_arguments(assembly, assembly.rule_values))
    settings = arguments - hyperparameters - {"self", "params", "maximize", *EXECUTION}
    for key in sorted(settings.intersection(group, own)):
        if group[key] != own[key]:
            raise InputError(
                f"This state_dict was saved with {key}={quoted(group[key])} and cannot continue as "
                f"{kind.__qualname__!r} "
                f"is used here, with {key}={quoted(own[key])}."
            )
    return frozenset(settings)


def check_entries(saved: Mapping[str, Any], expected: Mapping[str, Any], title: str, name: str) -> None:
    """Compare a tensor's saved state with what it must be.

    Raises:
        InputError: an entry is missing, or a shape is another.
    """
    for key, expected_value in expected.items():
        if not isinstance(expected_value, Tensor):
            continue
        if key not in saved:
            raise InputError(
                f"This state_dict cannot continue as {title!r}: its state of the parameter "
                f"{quoted(name)} lacks {key!r}; "
                "create the optimizer with the same name and hyperparameters as when it was saved."
            )
        value = saved[key]
        if not isinstance(value, Tensor) and not (expected_value.numel() == 1 and isinstance(value, int | float)):
            raise InputError(
                f"This state_dict is damaged: {key!r} of the parameter {quoted(name)} is "
                f"{quoted(value)}, not a tensor; "
                "load another copy."
            )
        if (
            isinstance(value, Tensor)
            and value.shape != expected_value.shape
            and not value.numel() == expected_value.numel() == 1
        ):
            raise InputError(
                f"This state_dict is of another model: {key!r} of the parameter {quoted(name)} has the shape "
                f"{tuple(value.shape)}, this one needs {tuple(expected_value.shape)}; load it into an optimizer of the "
                "same model."
            )


#: Entries of groups that are the users', or a scheduler's.
_USERS = frozenset({"params", "param_names", "lr", "initial_lr", "maximize"})


def _native(assembly: Assembly) -> Native:
    assert assembly.optimizer.native is not None
    return assembly.optimizer.native


def _stand_in(assembly: Assembly) -> Optimizer:
    """The class as it would be built."""
    dims = _native(assembly).dims or 0
    return class_maker(assembly)([torch.zeros((1,) * dims, requires_grad=True)])


def _as_rules(saved: TensorState, counters: Mapping[str, Any], fresh: TensorState) -> TensorState:
    entries = {}
    for key, fresh_value in fresh.items():
        value = saved.get(key, counters.get(key))
        if value is None:
            entries[key] = fresh_value
        elif isinstance(value, Tensor):
            entries[key] = value.to_dense() if value.layout is not torch.strided else value
        else:
            entries[key] = torch.full_like(fresh_value, max(float(value), 0.0))
    return entries


def _assumed(value: Any, default: Any) -> Any:
    """A group's value, where it is None, or an entry of it is, the default."""
    if isinstance(value, tuple) and isinstance(default, tuple) and len(value) == len(default):
        return tuple(_assumed(entry, other) for entry, other in zip(value, default, strict=True))
    return default if value is None else value


def _steps_of_class(document: Document, native: Native) -> int:
    own = native.group_state.get("step")
    counted = [group[own] for group in document["param_groups"] if own in group]
    counted += [state["step"] for state in document["state"].values() if "step" in state]
    return max((int(count) for count in counted), default=0)


def _from_rule(key: str, state: TensorState, steps: float) -> Any:
    value = state.get(key)
    # What the rule does not count, its class does: RMSprop's steps.
    return torch.tensor(steps) if value is None and key == "step" else value


def _counters(states: Sequence[TensorState], native: Native, own: Group) -> Group:
    counters: Group = {}
    for key, entry in native.group_state.items():
        values = {float(state[key]) for state in states if key in state}
        if len(values) > 1:
            raise InputError(
                f"This state_dict cannot continue as {native.qualname}: that has one {entry!r} for a whole group, "
                f"and here they range from {min(values):g} to {max(values):g}; use implementation='rule'."
            )
        if values:
            counters[entry] = type(own[entry])(values.pop())
    return counters
