"""Param groups by role and layer: which parameters share an optimizer, a rate and a decay."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor, nn

from metaopt.configuration import Assembly, untaken
from metaopt.deploy.optimizer.classes.native_class import native_class
from metaopt.deploy.optimizer.parameters import (
    LR_RATIO,
    ROLE,
    Group,
    Named,
    Params,
    as_groups,
    checked_group,
    divided,
    packed,
    tensor_of,
    tensors_of,
)
from metaopt.errors import InputError, PluginError, listed, quoted
from metaopt.parameter_roles import checked_role, fan_in_of, layers_above, role_of_shape, roles
from metaopt.plugin import OptimizerSpec, current_registry

#: The role of groups whose parameters have nothing of their own.
REST = "rest"


@final
@dataclass(frozen=True)
class Places:
    """Where in a model its parameters stand; of parameters that it does not know the shape decides.

    Attributes:
        roles: see `metaopt.roles`.
        layers_above: for `depth_decay`.
    """

    roles: Mapping[Tensor, str] = field(default_factory=dict)
    layers_above: Mapping[Tensor, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, params: Params, groups: list[Group], assembly: Assembly, patterns: Mapping[str, str] | None = None
    ) -> "Places":
        """Those of a model, or of the members of groups where there is none.

        Args:
            params: what the optimizer is made for.
            groups: the same as `as_groups` made them.
            assembly: what shall run; layers are counted where its `depth_decay` goes by them.
            patterns: role by pattern of names, for `metaopt.roles`.
        """
        named = dict(params.named_parameters()) if isinstance(params, nn.Module) else dict(_named(groups))
        by_name = roles(params if isinstance(params, nn.Module) else named, patterns)
        above = layers_above(named, by_name) if assembly.configuration.depth_decay != 1.0 else {}
        return cls(
            {tensor: by_name[name] for name, tensor in named.items()},
            {tensor: above[name] for name, tensor in named.items() if name in above},
        )

    def role(self, tensor: Tensor) -> str:
        """The role of a parameter."""
        return self.roles.get(tensor) or role_of_shape(tensor)


def role_groups(
    params: Params, assembly: Assembly, patterns: Mapping[str, str] | None = None, places: Places | None = None
) -> list[Group]:
    """Param groups cut so that all parameters of one share optimizer, rate and decay; each states its `role`.

    What a group states stays: its role, which then holds for all its members, its rate and its decay.

    Args:
        params: a model, or what torch's optimizers take.
        assembly: what shall run.
        patterns: role by pattern of names; see `metaopt.roles`.
        places: of the model's parameters, where they are known already.

    Raises:
        InputError: a group states a role that there is not, or holds vectors for an optimizer that takes matrices; or
            for what `as_groups` and `metaopt.roles` refuse.
    """
    groups = as_groups(params)
    if places is None:
        places = Places.of(params, groups, assembly, patterns) if assembly.has_roles or patterns else Places()
    return _checked(groups, assembly, places)


def groups_that_join(param_group: Group, assembly: Assembly, places: Places) -> list[Group]:
    """A user's further param group, cut and completed as the first ones were; see `role_groups`."""
    return _checked(as_groups([param_group]), assembly, places)


def cut_by_role(groups: list[Group], assembly: Assembly, places: Places) -> list[Group]:
    """The groups cut by role and layer alone; see `role_groups`."""
    if not assembly.has_roles:
        return groups
    return [part for group in groups for part in _by_role(group, assembly, places)]


def filled(assembly: Assembly, group: Group) -> Group:
    """A group with its hyperparameters checked, and all others of its optimizer where roles may have several.

    Raises:
        InputError: one of them is not valid, or stated twice.
    """
    own = assembly.at(group.get(ROLE))
    group = checked_group(own, group)
    return {**packed(own), **group} if assembly.has_roles else group


def by_optimizer(groups: Sequence[Group], assembly: Assembly) -> dict[str, list[int]]:
    """Places of the groups of each optimizer, by its name, those without any left out."""
    places: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(assembly.at(group.get(ROLE)).optimizer.name, []).append(place)
    return places


def roles_without_parameters(
    assembly: Assembly, groups: list[Group], frozen: frozenset[str] = frozenset(), *, optimizers: bool = False
) -> str | None:
    """A sentence on roles of which the groups have no parameter; None where there are none such.

    Args:
        assembly: what has something for roles.
        groups: with their roles.
        frozen: roles of frozen parameters of the model.
        optimizers: look only at roles that have an optimizer of their own.
    """
    known = {name for name, own in assembly.roles.items() if not optimizers or own.optimizer is not assembly.optimizer}
    missing = sorted(known - {group.get(ROLE) for group in groups})
    if not missing:
        return None
    those = "that role" if len(missing) == 1 else "those roles"
    if frozen.issuperset(missing):
        return (
            f"No parameter that is trained has the role {listed(missing)}, for those of the model are frozen; leave "
            f"out what is stated for {those}, or call requires_grad_() on the parameters."
        )
    return (
        f"No parameter has the role {listed(missing)}; leave out what is stated for {those}, or name the parameters by "
        f"a pattern, roles={{'…': {missing[0]!r}}}: see metaopt.roles(model)."
    )


def _checked(groups: list[Group], assembly: Assembly, places: Places) -> list[Group]:
    groups = divided(cut_by_role(groups, assembly, places), assembly)
    for group in groups:
        check_keys(assembly, group)
        _check_shapes(assembly, group)
    return groups


def _check_shapes(assembly: Assembly, group: Group) -> None:
    """Refuse vectors in a group of an optimizer that takes matrices.

    Raises:
        InputError: one is there.
    """
    names = [member[0] if isinstance(member, tuple) else str(place) for place, member in enumerate(group["params"])]
    shapes = dict(zip(names, (tensor.shape for tensor in tensors_of([group])), strict=True))
    reason = untaken(assembly.at(group.get(ROLE)).optimizer, shapes)
    if reason is not None:
        raise InputError(reason)


def _by_role(group: Group, assembly: Assembly, places: Places) -> Iterator[Group]:
    parts: dict[tuple[str, int, float], list[Tensor | Named]] = {}
    rates: dict[tuple[str, int, float], Group] = {}
    decays = assembly.configuration.depth_decay != 1.0 and "lr" not in group
    for member in group["params"]:
        tensor = tensor_of(member)
        role = _label(group, assembly, places.role(tensor))
        above = places.layers_above.get(tensor, 0) if decays else 0
        rate = _rate(group, assembly, role, above, fan_in_of(tensor.shape))
        key = role, above, rate.get(LR_RATIO, 1.0)
        rates[key] = rate
        parts.setdefault(key, []).append(member)
    for key, members in parts.items():
        yield {**rates[key], **group, "params": members, ROLE: key[0]}


def _label(group: Group, assembly: Assembly, role: str) -> str:
    stated = group.get(ROLE)
    if stated is None:
        return role if role in assembly.roles else REST
    if stated == REST:
        return REST
    return checked_role(stated, "A param group's role: ")


def _rate(group: Group, assembly: Assembly, role: str, layers: int, fan_in: int) -> Group:
    """The rate of a role, a layer and a fan-in, where the group states none."""
    if "lr" in group or "lr" not in assembly.at(role).rule_values:
        return {}
    values = assembly.values_at(role, layers, fan_in)
    lr, own = float(values["lr"]), float(assembly.rule_values["lr"])
    return {"lr": values["lr"], **({} if lr == own else {LR_RATIO: lr / own})}


def _named(groups: list[Group]) -> Iterator[Named]:
    taken: set[str] = set()
    for position, member in enumerate(member for group in groups for member in group["params"]):
        name = member[0] if isinstance(member, tuple) else str(position)
        yield (name if name not in taken else f"{name}#{position}"), tensor_of(member)
        taken.add(name)


def check_keys(assembly: Assembly, group: Group) -> None:
    """Refuse hyperparameters of other optimizers; a `weight_decay` of 0 is what an optimizer without one does.

    Keys that no optimizer has as a hyperparameter are the user's own.

    Raises:
        InputError: one is there.
    """
    known = {"params", ROLE}.union(*map(_hparams, assembly.optimizers))
    for key in group:
        if key in known:
            continue
        owners = [spec.name for spec in current_registry().specs(OptimizerSpec) if key in _hparams(spec)]
        if not owners or (key == "weight_decay" and not group[key]):
            continue
        if not any(key in _arguments(spec) for spec in assembly.optimizers):
            names = " and ".join(spec.name for spec in assembly.optimizers)
            raise InputError(
                f"A param group states {quoted(key)}, which {listed(owners, most=3)} have and {names} has not; leave "
                "it out, or choose another optimizer."
            )


def _hparams(spec: OptimizerSpec) -> frozenset[str]:
    return frozenset((*spec.space, *spec.packs))


def _arguments(spec: OptimizerSpec) -> Iterator[str]:
    """What the spec's class takes beside its hyperparameters, such as `foreach`."""
    if spec.native is not None:
        try:
            yield from inspect.signature(native_class(spec.native)).parameters
        except (PluginError, ValueError):  # not installed, or without a signature
            return
