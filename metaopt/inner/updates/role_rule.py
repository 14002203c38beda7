"""A rule whose hyperparameters, or whose optimizer, depend on the roles and layers of the parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch

from metaopt.configuration import Assembly, untaken
from metaopt.contracts import Rule, State, Tensors, Theta
from metaopt.errors import InputError, quoted
from metaopt.inner.updates.layout import Flats, Layout
from metaopt.inner.updates.member_rule import Ends, MemberHparams, MemberStep, VmappedRule
from metaopt.parameter_roles import fan_in_of

#: Where the hyperparameters hold those of the configuration's own optimizer, whose rate the others follow.
_LEADING: Final = ""


@dataclass(frozen=True)
class Piece:
    """Parameters that share optimizer, rate and decay.

    Attributes:
        name: of the piece; of its one parameter where that is not laid end to end with others.
        role: of the parameters, or None for those that have nothing of their own.
        layers_above: of the parameters, where rates depend on it, else 0.
        fan_in: of the parameters, where rates depend on it, else 1.
        decays: whether they get weight decay.
        members: names of the parameters.
        is_whole: whether it is one parameter in its own shape.
    """

    name: str
    role: str | None
    layers_above: int
    fan_in: int
    decays: bool
    members: tuple[str, ...]
    is_whole: bool


@dataclass(frozen=True)
class RoleRule:
    """See `MemberRule`; for configurations with roles. Rates follow that of the configuration's own optimizer.

    Attributes:
        rule: over the pieces' names.
        pieces: of the parameters.
        layout: of the parameters.
        dynamic: see `MemberRule`.
    """

    rule: Rule
    pieces: tuple[Piece, ...]
    layout: Layout
    dynamic: bool = False

    def member_hparams(self, assemblies: Sequence[Assembly]) -> MemberHparams:
        """The hyperparameters of members that share a structure, each of shape (members,)."""
        hparams = {piece.name: _numbers(assemblies, piece) for piece in self.pieces}
        leading = [float(assembly.rule_values["lr"]) for assembly in assemblies]
        return {**hparams, _LEADING: {"lr": torch.tensor(leading)}}

    def init(self, params: Flats, hparams: MemberHparams, ends: Ends, theta: Theta, horizon: torch.Tensor) -> State:
        """See `MemberRule`."""
        return self._vmapped.init(params, _without_leading(hparams), ends, theta, horizon)

    def advance(
        self,
        params: Flats,
        grads: Flats,
        state: State,
        hparams: MemberHparams,
        ends: Ends,
        theta: Theta,
        step: MemberStep,
    ) -> tuple[Flats, State]:
        """See `MemberRule`."""
        assert step.rates is not None
        share = step.rates / hparams[_LEADING]["lr"]
        rated = {
            name: {**own, "lr": own["lr"] * share} if "lr" in own else own
            for name, own in _without_leading(hparams).items()
        }
        unrated = MemberStep(step.step, step.horizon, None, step.loss, step.signals)
        return self._vmapped.advance(params, grads, state, rated, ends, theta, unrated)

    def evaluation_params(self, params: Flats, state: State, hparams: MemberHparams, ends: Ends) -> Flats:
        """See `MemberRule`."""
        return self._vmapped.evaluation_params(params, state, _without_leading(hparams), ends)

    @cached_property
    def _vmapped(self) -> VmappedRule:
        return VmappedRule(self.rule, self._cut, self._whole, lambda name: False, dynamic=False)

    def _cut(self, flats: Flats, ends: Ends) -> Tensors:
        named = self.layout.split(flats)
        return {
            piece.name: named[piece.name]
            if piece.is_whole
            else torch.cat([named[name].reshape(len(named[name]), -1) for name in piece.members], dim=1)
            for piece in self.pieces
        }

    def _whole(self, pieces: Tensors) -> Flats:
        named: Tensors = {}
        for piece in self.pieces:
            if piece.is_whole:
                named[piece.name] = pieces[piece.name]
                continue
            sizes = [self.layout.shapes[name].numel() for name in piece.members]
            named.update(zip(piece.members, pieces[piece.name].split(sizes, dim=1), strict=True))
        return self.layout.join(named)


def role_rule(assembly: Assembly, layout: Layout) -> RoleRule:
    """The rule of an assembly with roles, over as few tensors as its parts allow."""
    members: dict[tuple[str, ...], list[str]] = {}
    places: dict[tuple[str, ...], tuple[str | None, int, int, bool]] = {}
    for dtype, names in layout.names.items():
        for name in names:
            role = layout.roles[name] if layout.roles[name] in assembly.roles else None
            above = layout.layers_above[name] if assembly.configuration.depth_decay != 1.0 else 0
            width = fan_in_of(layout.shapes[name]) if assembly.counts_fan_in(role) else 1
            decays = assembly.at(role).configuration.no_decay == "none" or not layout.spares(name)
            key: tuple[str, ...] = (dtype, str(role), str(above), "decayed" if decays else "spared")
            key = (*key, f"fan-in {width}") if width > 1 else key
            key = key if _may_be_joined(assembly, role) else (name,)
            members.setdefault(key, []).append(name)
            places[key] = (role, above, width, decays)
    pieces = tuple(Piece(" ".join(key), *places[key], tuple(members[key]), len(key) == 1) for key in members)
    return RoleRule(assembly.rule_over({piece.name: piece.role or "" for piece in pieces}), pieces, layout)


def check_taken(assembly: Assembly, layout: Layout, task: str) -> None:
    """Refuse vectors of a task's models for optimizers that take matrices.

    Raises:
        InputError: there is one.
    """
    for name, shape in layout.shapes.items():
        role = layout.roles[name] if assembly.has_roles else None
        reason = untaken(assembly.at(role).optimizer, {name: shape})
        if reason is not None:
            raise InputError(f"The task {quoted(task)}: {reason}")


def _may_be_joined(assembly: Assembly, role: str | None) -> bool:
    """Whether tensors of a role may be laid end to end."""
    rule = assembly.rule if assembly.wrappers else assembly.at(role).bare_rule
    return rule.granularity in ("coordinate", "sums")


def _numbers(assemblies: Sequence[Assembly], piece: Piece) -> Tensors:
    own = [assembly.rule_numbers(piece.role, piece.layers_above, piece.fan_in) for assembly in assemblies]
    numbers = {name: torch.tensor([each[name] for each in own]) for name in own[0]}
    if "weight_decay" in numbers and not piece.decays:
        numbers["weight_decay"] = torch.zeros_like(numbers["weight_decay"])
    return numbers


def _without_leading(hparams: MemberHparams) -> MemberHparams:
    return {name: own for name, own in hparams.items() if name != _LEADING}
