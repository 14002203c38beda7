"""A library's class at work on stand-ins of parameters: what it keeps of each before a step, and after one.

A stand-in has copies of a group's settings: some classes keep tensors in their groups, and step these too.
"""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.optimizer.classes.native_class import MakeOptimizer
from metaopt.deploy.optimizer.parameters import Group
from metaopt.deploy.optimizer.precision import numberless

TensorState: TypeAlias = dict[str, Any]

#: Entries of a class's groups that say how a step is computed, not what.
EXECUTION = ("foreach", "fused", "capturable", "differentiable")


def expected_state(kind: MakeOptimizer, groups: Sequence[Group], own_groups: Sequence[Group]) -> dict[Any, TensorState]:
    """What a class keeps of each parameter after a step, by number: tensors whose numbers mean nothing.

    Args:
        kind: the class.
        groups: with settings, and numbers for parameters.
        own_groups: the same with the parameters themselves.

    Returns:
        Nothing where the class steps neither on tensors without numbers nor, as one that reads its tensors must, on
        zeros. Of a class that reads them, no tensors whose shapes depend on the numbers.
    """
    try:
        return _stepped_once(kind, groups, own_groups, "meta")
    except Exception:  # whatever a library's class does with tensors of this kind
        pass
    try:
        of_zeros = _stepped_once(kind, groups, own_groups, "cpu")
        of_ones = _stepped_once(kind, groups, own_groups, "cpu", fill=1.0)
    except Exception:
        return {}
    return {number: _of_one_shape(entries, of_ones[number]) for number, entries in of_zeros.items()}


def _of_one_shape(entries: TensorState, others: Mapping[str, Any]) -> TensorState:
    return {key: value for key, value in entries.items() if _shape(value) == _shape(others.get(key))}


def _shape(value: Any) -> torch.Size | None:
    return value.shape if isinstance(value, Tensor) else None


def _stepped_once(
    kind: MakeOptimizer, groups: Sequence[Group], own_groups: Sequence[Group], device: str, fill: float = 0.0
) -> dict[Any, TensorState]:
    shadows: dict[Any, Tensor] = {}
    shadow_groups = []
    for group, own in zip(groups, own_groups, strict=True):
        for number, param in zip(group["params"], own["params"], strict=True):
            shadows[number] = torch.full_like(numberless(param), fill, device=device).requires_grad_()
            shadows[number].grad = torch.full_like(numberless(param), fill, device=device)
        members = [shadows[number] for number in group["params"]]
        shadow_groups.append(
            {**_settings(group), **{key: False for key in EXECUTION if key in group}, "params": members}
        )
    stand_in = kind(shadow_groups)
    for group in stand_in.param_groups:
        group.update({"train_mode": True} if "train_mode" in group else {})
    stand_in.step()
    return {number: dict(stand_in.state[shadow]) for number, shadow in shadows.items()}


def fresh_state(kind: MakeOptimizer, group: Group, param: Tensor) -> TensorState:
    """What a class keeps of a parameter before any step; empty for most."""
    return dict(as_built(kind, {**group, "params": [param]}).state.get(param, {}))


def as_built(kind: MakeOptimizer, group: Group) -> Optimizer:
    """The class built from one group: torch's Adagrad fills its first state by its arguments, whatever groups say."""
    names = inspect.signature(kind).parameters.keys() - {"params"}
    group = {**_settings(group), "params": list(group["params"])}
    return kind([group], **{name: value for name, value in group.items() if name in names})


def _settings(group: Group) -> Group:
    """Copies of a group's entries but its parameters."""
    return {key: copy.deepcopy(value) for key, value in group.items() if key not in ("params", "param_names")}
