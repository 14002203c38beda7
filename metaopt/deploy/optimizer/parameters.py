"""Param groups: which tensors are trained, with which hyperparameters, and what a model calls them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from metaopt.configuration import Assembly
from metaopt.errors import InputError, quoted
from metaopt.parameter_roles import bare_name
from metaopt.plugin import OptimizerSpec
from metaopt.space import Distribution, Float, Value

Group: TypeAlias = dict[str, Any]
Named: TypeAlias = tuple[str, Tensor]
Params: TypeAlias = nn.Module | Iterable[Tensor] | Iterable[Named] | Iterable[Mapping[str, Any]]

#: Key of a param group: the role of its parameters.
ROLE = "role"
#: Key of a param group: whether to go up the gradient.
MAXIMIZE = "maximize"
#: Key of a param group: its `lr` as a multiple of the configuration's; absent where the group stated its own.
LR_RATIO = "lr_ratio"
#: Hyperparameters that roles, layers and `no_decay` change.
_SCALED = frozenset({"lr", "weight_decay"})


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


def spare_from_decay(groups: list[Group], assembly: Assembly) -> list[Group]:
    """Give the parameters that weight decay leaves alone a group of their own, with `weight_decay` 0.

    A group that states its own `weight_decay` stays as it is.
    """
    return [part for group in groups for part in _split(group, assembly.at(group.get(ROLE)))]


def divided(groups: list[Group], assembly: Assembly) -> list[Group]:
    """The groups of `spare_from_decay`; classes that have to be told which of them hold matrices are told."""
    return [part for group in groups for part in _divided(group, assembly)]


def spares(assembly: Assembly) -> bool:
    """Whether weight decay leaves some parameters alone."""
    return bool(assembly.rule_values.get("weight_decay")) and assembly.configuration.no_decay != "none"


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


def trainable(model: nn.Module) -> list[tuple[str, Tensor]]:
    """A model's parameters that require gradients, with their names; tied ones once.

    Raises:
        InputError: there are none, or one has no numbers yet that could be trained.
    """
    members = list(model.named_parameters())
    for name, param in members:
        check_member(name, param)
    trained: list[tuple[str, Tensor]] = [(name, param) for name, param in members if param.requires_grad]
    if not trained:
        kind, count = type(model).__name__, len(members)
        frozen = f": all {count} are frozen; call requires_grad_() on what shall learn" if count else ""
        raise InputError(f"The model {kind} has no parameters to train{frozen}.")
    return trained


def check_trained(tensors: Iterable[Tensor]) -> None:
    """Refuse tensors of which none requires gradients."""
    if not any(tensor.requires_grad for tensor in tensors):
        raise InputError(
            "None of the parameters requires gradients, so there is nothing to train; call requires_grad_() on them."
        )


def check_member(name: str, param: Tensor) -> None:
    """Refuse a parameter that is lazy, and one that is trained but on the meta device or shares memory with itself."""
    if is_lazy(param):
        raise InputError(
            f"The parameter {quoted(name)} is lazy and has no shape yet; run one forward pass first, then make the "
            "optimizer."
        )
    if param.requires_grad and param.is_meta:
        raise InputError(
            f"The parameter {quoted(name)} is on the meta device and holds no numbers; call "
            "model.to_empty(device=...) and initialise it before making the optimizer."
        )
    if param.requires_grad and _is_expanded(param):
        raise InputError(
            f"The parameter {quoted(name)} of shape {tuple(param.shape)} is an expanded tensor, whose elements share "
            "memory and cannot be stepped one by one; give its clone()."
        )


def packed(assembly: Assembly) -> Group:
    """The rule's hyperparameters as a torch param group holds them; a wrapper's keep their prefix."""
    values = assembly.rule_values
    own = assembly.optimizer.pack({name: values[name] for name in assembly.optimizer.space})
    return {**own, **{name: value for name, value in values.items() if name not in assembly.optimizer.space}}


def shared(parts: Sequence[Group]) -> Group:
    """What all optimizers have, as the first has it: torch's schedulers look for `betas` and `momentum` there."""
    first, *others = parts
    return {key: value for key, value in first.items() if all(key in other for other in others)}


def distributions(assembly: Assembly) -> dict[str, Distribution]:
    """The distribution of every hyperparameter of the rule, a wrapper's under its prefix."""
    by_name = dict(assembly.optimizer.space)
    for spec in assembly.wrappers:
        by_name.update({f"{spec.name}.{name}": distribution for name, distribution in spec.space.items()})
    return by_name


def group_values(assembly: Assembly, group: Mapping[str, Any]) -> dict[str, Value]:
    """The hyperparameters that a param group holds, by the rule's names; absent ones are left out."""
    values = assembly.optimizer.unpack(group)
    for spec in assembly.wrappers:
        names = [f"{spec.name}.{name}" for name in spec.space]
        values.update({name: group[name] for name in names if name in group})
    return {name: plain_value(value) for name, value in values.items()}


def checked_group(assembly: Assembly, group: Group) -> Group:
    """A user's param group, its hyperparameters checked and packed as torch does: `beta1` alone becomes `betas`.

    Raises:
        InputError: one of them is not valid, or stated twice.
    """
    spec, spaces = assembly.optimizer, distributions(assembly)
    for key, names in spec.packs.items():
        check_stated_once(spec, key, group)
        if key in group:
            check_length(spec, key, names, group[key])
    for name, value in group_values(assembly, group).items():
        _of_group(name, spaces[name]).check(f"{spec.name}.{name}", value)
    check_structural(assembly, group_values(assembly, group))
    packed_group = dict(group)
    for key, names in spec.packs.items():
        if any(name in group for name in names):
            packed_group[key] = tuple(packed_group.pop(name, assembly.rule_values[name]) for name in names)
    return packed_group


def _of_group(name: str, distribution: Distribution) -> Distribution:
    """What a group may have: a role's or layer's part of a rate, and a decay of 0, lie outside of tuning's range.

    An interval `valid` that is stated holds for groups, too.
    """
    if name not in _SCALED or not isinstance(distribution, Float) or distribution.valid or distribution.low < 0:
        return distribution
    return replace(distribution, valid="[0, inf)")


def check_structural(assembly: Assembly, values: Mapping[str, Value]) -> None:
    """Refuse a param group that has another value of a hyperparameter that all groups share."""
    for spec in (assembly.optimizer, *assembly.wrappers):
        prefix = "" if spec is assembly.optimizer else f"{spec.name}."
        for name in spec.structural:
            own = assembly.rule_values[f"{prefix}{name}"]
            if values.get(f"{prefix}{name}", own) != own:
                raise InputError(
                    f"{spec.name}.{name} is the same for all param groups, {quoted(own)}, got "
                    f"{quoted(values[f'{prefix}{name}'])}; make another optimizer with that."
                )


def plain_value(value: Any) -> Any:
    """A hyperparameter as a plain number, a 0-d tensor read."""
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise InputError(f"A hyperparameter is one number, got a tensor of shape {tuple(value.shape)}.")
    return value.item()


def check_stated_once(spec: OptimizerSpec, key: str, stated: Mapping[str, Any]) -> None:
    """Refuse a packed hyperparameter beside one of those that it holds."""
    twice = [name for name in spec.packs.get(key, ()) if key in stated and name in stated]
    if twice:
        raise InputError(f"{spec.name} got {key} and {', '.join(twice)}, which it holds; give one of them.")


def check_length(spec: OptimizerSpec, key: str, names: tuple[str, ...], value: Any) -> None:
    """Refuse a packed hyperparameter of another length."""
    if not isinstance(value, Sequence) or len(value) != len(names):
        raise InputError(f"{spec.name}.{key} must be {len(names)} numbers ({', '.join(names)}), got {value!r}.")


def counterparts(saved: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """For each saved name the own name that is equal, or differs only by what wrappers put into names, if there is any.

    Example:
        >>> counterparts(["module.0.weight", "_orig_mod.bias", "other"], ["0.weight", "bias"])
        {'module.0.weight': '0.weight', '_orig_mod.bias': 'bias'}
    """
    own_names = list(own)
    exact = set(own_names)
    counts = Counter(bare_name(name) for name in own_names)
    by_bare = {bare_name(name): name for name in own_names if counts[bare_name(name)] == 1}
    matches = {name: name if name in exact else by_bare.get(bare_name(name)) for name in saved}
    return {name: other for name, other in matches.items() if other is not None}


def _group(item: Mapping[str, Any]) -> Group:
    if not isinstance(item, Mapping) or "params" not in item:
        raise InputError(f"A param group is a dict with the key 'params', got {quoted(item)}.")
    params = item["params"]
    if isinstance(params, Tensor):
        members: list[Any] = [params]
    elif isinstance(params, nn.Module):
        members = list(trainable(params))
    else:
        members = list(params)
    for position, member in enumerate(members):
        tensor = tensor_of(member)
        if not isinstance(tensor, Tensor):
            module = isinstance(member, nn.Module)
            got = f"a {type(member).__name__}; give its parameters()" if module else f"{quoted(member)}"
            raise InputError(f"Parameters must be tensors, got {got}.")
        check_member(member[0] if isinstance(member, tuple) else str(position), tensor)
    unique = {id(tensor_of(member)): member for member in reversed(members)}
    return {**item, "params": list(reversed(unique.values()))}


def _divided(group: Group, assembly: Assembly) -> list[Group]:
    native = assembly.at(group.get(ROLE)).optimizer.native
    if native is None or native.matrix_entry is None or native.matrix_entry in group:
        return spare_from_decay([group], assembly)
    spared = {} if assembly.at(group.get(ROLE)).configuration.no_decay == "none" else {"weight_decay": 0.0}
    matrices = [member for member in group["params"] if tensor_of(member).ndim > 1]
    others = [member for member in group["params"] if tensor_of(member).ndim <= 1]
    parts = [
        {**group, "params": matrices, native.matrix_entry: True},
        {**spared, **group, "params": others, native.matrix_entry: False},
    ]
    return [part for part in parts if part["params"]]


def _split(group: Group, assembly: Assembly) -> list[Group]:
    if "weight_decay" in group or not spares(assembly):
        return [group]
    decayed = [member for member in group["params"] if assembly.decays(tensor_of(member))]
    spared = [member for member in group["params"] if not assembly.decays(tensor_of(member))]
    parts = [{**group, "params": decayed}, {**group, "params": spared, "weight_decay": 0.0}]
    return [part for part in parts if part["params"]]


def _is_expanded(param: Tensor) -> bool:
    strides = param.stride() if param.layout is torch.strided else ()
    return any(stride == 0 and size > 1 for stride, size in zip(strides, param.shape, strict=False))
