"""What users call parameters (a model, tensors, named tensors, groups) as the param groups that torch takes."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from torch import Tensor, nn

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.trainable import check_member, trainable
from metaopt.errors import InputError, quoted

Group: TypeAlias = dict[str, Any]
Named: TypeAlias = tuple[str, Tensor]
Params: TypeAlias = nn.Module | Iterable[Tensor] | Iterable[Named] | Iterable[Mapping[str, Any]]


def as_groups(params: Params) -> list[Group]:
    """Param groups, each a new dict whose `"params"` is a list of tensors or of (name, tensor) pairs.

    Of a model, those that require gradients; of a list, all. A tensor that comes twice in a group (tied weights) is
    kept once.

    Raises:
        InputError: there are none, something is not a tensor, or one has no numbers yet that could be trained.
    """
    if isinstance(params, Tensor | Mapping | set | str) or not isinstance(params, Iterable | nn.Module):
        raise InputError(
            "params must be a model, or a list of tensors, of (name, tensor) pairs or of param groups, "
            f"got a {type(params).__name__}."
        )
    if isinstance(params, nn.Module):
        return [{"params": trainable(params)}]
    items: list[Any] = list(params)
    if not items:
        raise InputError("params is an empty list (or a generator that was used already); there is nothing to train.")
    if isinstance(items[0], Mapping):
        return [_group(item) for item in items]
    return [_group({"params": items})]


def spare(groups: list[Group], assembly: Assembly) -> list[Group]:
    """Give the parameters that weight decay leaves alone a group of their own, with `weight_decay` 0.

    A group that states its own `weight_decay` stays as it is.
    """
    if not assembly.rule_values.get("weight_decay") or assembly.configuration.no_decay == "none":
        return groups
    return [part for group in groups for part in _split(group, assembly)]


def tensor_of(member: Tensor | Named) -> Tensor:
    """The tensor of a group's member, named or not."""
    return member[1] if isinstance(member, tuple) else member


def tensors_of(groups: list[Group]) -> list[Tensor]:
    """All tensors of groups that `as_groups` made."""
    return [tensor_of(member) for group in groups for member in group["params"]]


def without_names(groups: list[Group]) -> list[Group]:
    """The same groups with bare tensors."""
    return [{**group, "params": [tensor_of(member) for member in group["params"]]} for group in groups]


def numbered(group: Group, first: int) -> Group:
    """The group with names, the parameters' numbers from `first` on, unless it has names already."""
    members = [
        member if isinstance(member, tuple) else (str(number), member)
        for number, member in enumerate(group["params"], first)
    ]
    return {**group, "params": members}


def _group(item: Mapping[str, Any]) -> Group:
    if not isinstance(item, Mapping) or "params" not in item:
        raise InputError(f"A param group is a dict with the key 'params', got {quoted(item)}.")
    given = item["params"]
    if isinstance(given, Tensor):
        members: list[Any] = [given]
    elif isinstance(given, nn.Module):
        members = list(trainable(given))
    else:
        members = list(given)
    for position, member in enumerate(members):
        tensor = tensor_of(member)
        if not isinstance(tensor, Tensor):
            module = isinstance(member, nn.Module)
            got = f"a {type(member).__name__}; give its parameters()" if module else f"{quoted(member)}"
            raise InputError(f"Parameters must be tensors, got {got}.")
        check_member(member[0] if isinstance(member, tuple) else str(position), tensor)
    unique = {id(tensor_of(member)): member for member in reversed(members)}
    return {**item, "params": list(reversed(unique.values()))}


def _split(group: Group, assembly: Assembly) -> list[Group]:
    if "weight_decay" in group:
        return [group]
    decayed = [member for member in group["params"] if assembly.decays(tensor_of(member))]
    spared = [member for member in group["params"] if not assembly.decays(tensor_of(member))]
    parts = [{**group, "params": decayed}, {**group, "params": spared, "weight_decay": 0.0}]
    return [part for part in parts if part["params"]]
