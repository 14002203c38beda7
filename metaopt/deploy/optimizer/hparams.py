"""Hyperparameters on their way from a user's keywords to a rule; `parameters` has those of param groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from metaopt.configuration import Assembly, Configuration, NoDecay, assemble
from metaopt.deploy.optimizer.parameters import (
    ROLE,
    Group,
    check_length,
    check_stated_once,
    check_structural,
    distributions,
    group_values,
    packed,
    plain_value,
)
from metaopt.plugin import OptimizerSpec, current_registry
from metaopt.space import Value


def assemble_named(
    name: str,
    hparams: Mapping[str, Any],
    *,
    wrappers: Sequence[str] = (),
    no_decay: NoDecay = "none",
    roles: Mapping[str, Any] | None = None,
    depth_decay: float = 1.0,
) -> Assembly:
    """The plugin `name` of the process's registry with `hparams`, in its own names or packed as torch does.

    Args:
        name: an optimizer plugin.
        hparams: by name (`beta1`), packed (`betas`), or under the name of a wrapper or of a role's optimizer
            (`"averaged.decay"`, `"adamw.betas"`); 0-d tensors are read.
        wrappers: wrapper plugins, innermost first.
        no_decay: see `Configuration`.
        roles: see `Configuration`.
        depth_decay: see `Configuration`.
    """
    known = current_registry()
    # A configuration makes the tuple of wrappers itself, for it refuses a string first.
    wrapped: Any = wrappers
    configuration = Configuration(name, wrappers=wrapped, no_decay=no_decay, roles=roles or {}, depth_decay=depth_decay)
    optimizers = {name, *(role.optimizer for role in configuration.roles.values() if role.optimizer is not None)}
    specs = {own: known.get(OptimizerSpec, own) for own in optimizers}
    stated: dict[str, dict[str, Any]] = {}
    for key, value in hparams.items():
        owner, dot, rest = key.partition(".")
        stated.setdefault(owner if dot else name, {})[rest if dot else key] = value
    full: dict[str, Value] = {}
    for owner, values in stated.items():
        for key in values:
            full.update({f"{owner}.{own}": part for own, part in _unpacked(specs.get(owner), key, values).items()})
    return assemble(replace(configuration, hparams=full), known)


_CPU = torch.device("cpu")


@dataclass(slots=True)
class _Numbers:
    raw: tuple[Any, ...]
    hparams: dict[str, Tensor]
    vectors: dict[torch.device, Tensor]


@final
class GroupNumbers:
    """The numbers that a rule sees of each param group, made anew only when the group's values change.

    Numbers are float64, so that `1 - beta ** step` is exact to the last digit that matters in float32.

    Args:
        assembly: the rule and its spaces.
    """

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._spaces = {spec.name: distributions(assembly.part(spec.name)) for spec in assembly.optimizers}
        self._keys = {spec.name: tuple(packed(assembly.part(spec.name))) for spec in assembly.optimizers}
        self._known: dict[int, _Numbers] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Hyperparameters in the order of the vector, of the assembly's own optimizer."""
        return tuple(self._spaces[self._assembly.optimizer.name])

    def hparams(self, index: int, group: Group) -> dict[str, Tensor]:
        """0-d tensors by name for the param group at `index`."""
        return self._refreshed(index, group).hparams

    def vector(self, index: int, group: Group, device: torch.device) -> Tensor:
        """The same numbers on a device, shape `(len(names),)`."""
        vectors = self._refreshed(index, group).vectors
        if device not in vectors:
            vectors[device] = vectors[_CPU].to(device)
        return vectors[device]

    def _refreshed(self, index: int, group: Group) -> _Numbers:
        own = self._assembly.at(group.get(ROLE)) if self._assembly.others else self._assembly
        raw = tuple([plain_value(group[key]) for key in self._keys[own.optimizer.name]])
        known = self._known.get(index)
        if known is None or known.raw != raw:
            values, spaces = group_values(own, group), self._spaces[own.optimizer.name]
            check_structural(own, values)
            numbers = [distribution.encode(values[name]) for name, distribution in spaces.items()]
            vector = torch.tensor(numbers, dtype=torch.float64)
            known = _Numbers(raw, dict(zip(spaces, vector.unbind(), strict=True)), {_CPU: vector})
            self._known[index] = known
        return known


def _unpacked(spec: OptimizerSpec | None, key: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The entry `key` of what is stated for an optimizer, by the rule's names; None is for a wrapper."""
    value = stated[key]
    if spec is None or key not in spec.packs:
        return {key: plain_value(value)}
    check_stated_once(spec, key, stated)
    check_length(spec, key, spec.packs[key], value)
    return {name: plain_value(part) for name, part in spec.unpack({key: value}).items()}
