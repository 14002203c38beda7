"""Hyperparameters between the three places that hold them: a user's keywords, a torch param group, a rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from metaopt.configuration import Assembly, Configuration, NoDecay, assemble
from metaopt.deploy.optimizer.parameters import Group
from metaopt.errors import InputError
from metaopt.plugin import OptimizerSpec, current_registry
from metaopt.space import Distribution, Value


def assemble_named(
    name: str, hparams: Mapping[str, Any], *, wrappers: Sequence[str] = (), no_decay: NoDecay = "none"
) -> Assembly:
    """The plugin `name` of the process's registry with `hparams`, in its own names or packed as torch does.

    Args:
        name: an optimizer plugin.
        hparams: by name (`beta1`), packed (`betas`), or `"<wrapper>.<hyperparameter>"`; 0-d tensors are read.
        wrappers: wrapper plugins, innermost first.
        no_decay: see `Configuration`.
    """
    known = current_registry()
    spec = known.get(OptimizerSpec, name)
    full: dict[str, Value] = {}
    for key, value in hparams.items():
        _check_stated_once(spec, key, hparams)
        for own, number in _unpacked(spec, key, value).items():
            full[own if "." in own else f"{name}.{own}"] = number
    # A configuration makes the tuple of wrappers itself, for it refuses a string first.
    wrapped: Any = wrappers
    return assemble(Configuration(name, wrappers=wrapped, hparams=full, no_decay=no_decay), known)


def packed(assembly: Assembly) -> Group:
    """The rule's hyperparameters as a torch param group holds them; a wrapper's keep their prefix."""
    values = assembly.rule_values
    own = assembly.optimizer.pack({name: values[name] for name in assembly.optimizer.space})
    return {**own, **{name: value for name, value in values.items() if name not in assembly.optimizer.space}}


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
    return {name: _plain(value) for name, value in values.items()}


def checked_group(assembly: Assembly, group: Group) -> Group:
    """A user's param group, its hyperparameters checked and packed as torch does: `beta1` alone becomes `betas`.

    Raises:
        InputError: one of them is not valid, or stated twice.
    """
    spec, spaces = assembly.optimizer, distributions(assembly)
    for key, names in spec.packs.items():
        _check_stated_once(spec, key, group)
        if key in group:
            _check_length(spec, key, names, group[key])
    for name, value in group_values(assembly, group).items():
        spaces[name].check(f"{spec.name}.{name}", value)
    packed_group = dict(group)
    for key, names in spec.packs.items():
        if any(name in group for name in names):
            packed_group[key] = tuple(packed_group.pop(name, assembly.rule_values[name]) for name in names)
    return packed_group


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
        self._spaces = distributions(assembly)
        self._keys = tuple(packed(assembly))
        self._known: dict[int, _Numbers] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Hyperparameters in the order of the vector."""
        return tuple(self._spaces)

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
        raw = tuple([_plain(group[key]) for key in self._keys])
        known = self._known.get(index)
        if known is None or known.raw != raw:
            values = group_values(self._assembly, group)
            numbers = [distribution.encode(values[name]) for name, distribution in self._spaces.items()]
            vector = torch.tensor(numbers, dtype=torch.float64)
            known = _Numbers(raw, dict(zip(self._spaces, vector.unbind(), strict=True)), {_CPU: vector})
            self._known[index] = known
        return known


def _plain(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.numel() != 1:
        raise InputError(f"A hyperparameter is one number, got a tensor of shape {tuple(value.shape)}.")
    return value.item()


def _unpacked(spec: OptimizerSpec, key: str, value: Any) -> dict[str, Any]:
    if key not in spec.packs:
        return {key: _plain(value)}
    _check_length(spec, key, spec.packs[key], value)
    return {name: _plain(part) for name, part in zip(spec.packs[key], value, strict=True)}


def _check_stated_once(spec: OptimizerSpec, key: str, stated: Mapping[str, Any]) -> None:
    twice = [name for name in spec.packs.get(key, ()) if key in stated and name in stated]
    if twice:
        raise InputError(f"{spec.name} got {key} and {', '.join(twice)}, which it holds; give one of them.")


def _check_length(spec: OptimizerSpec, key: str, names: tuple[str, ...], value: Any) -> None:
    if not isinstance(value, Sequence) or len(value) != len(names):
        raise InputError(f"{spec.name}.{key} must be {len(names)} numbers ({', '.join(names)}), got {value!r}.")
