"""A rule as a pure function over the flat buffers of several members, in one of two forms.

`BroadcastRule`: a coordinate rule is arithmetic on numbers side by side. Handed tensors of shape (members,
coordinates), with hyperparameters and counters of shape (members, 1), it computes what it computes under vmap, at a
fraction of the cost for few members. Not every coordinate rule is written so: `broadcasts` finds out by a trial.

`VmappedRule`: right for every rule, over the tensors into which the buffers are cut for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from metaopt.contracts import Rule, State, StepInfo, Tensors, Theta, in_order
from metaopt.inner.updates.layout import Flats, cut_where_decay_ends, is_spared_part, joined_where_decay_ends

MemberHparams: TypeAlias = dict[str, Tensors]
#: For each buffer, the number of leading columns that get weight decay.
Ends: TypeAlias = Mapping[str, int]
#: Of the trial that `broadcasts` makes.
_MEMBERS, _COORDINATES, _STEPS = 3, 5, 3


@dataclass(frozen=True, slots=True)
class MemberStep:
    """The step about to be taken by several members.

    Attributes:
        step: steps completed before, 0-d.
        horizon: planned number of steps, 0-d.
        rates: learning rates of shape (members,), or None where the rule has no lr.
        loss: training losses of shape (members,), or None unless the rule requires them.
        signals: the other required signals, of shape (members,).
    """

    step: Tensor
    horizon: Tensor
    rates: Tensor | None
    loss: Tensor | None
    signals: Tensors


class MemberRule(Protocol):
    """How a rule is applied to several members; every method is a pure function of tensors."""

    @property
    def dynamic(self) -> bool:
        """Whether one compiled graph can serve all numbers of members and of coordinates."""
        ...

    def init(self, params: Flats, hparams: MemberHparams, ends: Ends, theta: Theta, horizon: Tensor) -> State:
        """State before the first step."""
        ...

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
        """What to add to the parameters, and the new state."""
        ...

    def evaluation_params(self, params: Flats, state: State, hparams: MemberHparams, ends: Ends) -> Flats:
        """Parameters to evaluate with."""
        ...


class UniformRule(MemberRule, Protocol):
    """A rule that has the same hyperparameters for all tensors, but for weight decay."""

    def hparams(self, numbers: Tensors, params: Flats, ends: Ends) -> MemberHparams:
        """The hyperparameters, given with shape (members,), as the other methods want them."""
        ...


@dataclass(frozen=True)
class BroadcastRule:
    """See `UniformRule`; for rules that broadcast.

    Attributes:
        rule: of granularity `"coordinate"`.
        dynamic: see `MemberRule`.
    """

    rule: Rule
    dynamic: bool = True

    def hparams(self, numbers: Tensors, params: Flats, ends: Ends) -> MemberHparams:
        """See `UniformRule`; weight decay has a column for each coordinate where some are spared."""
        return {key: _widened(numbers, flat, ends[key]) for key, flat in params.items()}

    def init(self, params: Flats, hparams: MemberHparams, ends: Ends, theta: Theta, horizon: Tensor) -> State:
        """See `MemberRule`; what is 0-d for each member has shape (members, 1)."""
        numbers = {key: {name: value[:, 0] for name, value in values.items()} for key, values in hparams.items()}
        return _columns(_vmapped_init(self.rule, params, numbers, theta, horizon))

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
        info = StepInfo(
            step=step.step,
            horizon=step.horizon,
            loss=None if step.loss is None else step.loss.unsqueeze(1),
            signals={name: value.unsqueeze(1) for name, value in step.signals.items()},
        )
        rates = None if step.rates is None else step.rates.unsqueeze(1)
        updates, new = self.rule.update(grads, state, params, _with_rates(hparams, rates), theta, info)
        return updates, in_order(new, state)

    def evaluation_params(self, params: Flats, state: State, hparams: MemberHparams, ends: Ends) -> Flats:
        """See `MemberRule`."""
        return self.rule.evaluation_params(params, state, hparams)


@dataclass(frozen=True)
class VmappedRule:
    """See `UniformRule`; for every rule.

    Attributes:
        rule: any rule.
        cut: from buffers to the named tensors that the rule sees, of shape (members, …), views.
        whole: its inverse.
        spares: whether a named tensor gets no weight decay where some do not.
        dynamic: see `MemberRule`.
    """

    rule: Rule
    cut: Callable[[Flats, Ends], Tensors]
    whole: Callable[[Tensors], Flats]
    spares: Callable[[str], bool]
    dynamic: bool = True

    def hparams(self, numbers: Tensors, params: Flats, ends: Ends) -> MemberHparams:
        """See `UniformRule`."""
        spared = {**numbers, "weight_decay": torch.zeros_like(numbers["weight_decay"])} if _decays(numbers) else numbers
        are_some_spared = any(ends[key] < flat.shape[1] for key, flat in params.items())
        return {name: spared if are_some_spared and self.spares(name) else numbers for name in self.cut(params, ends)}

    def init(self, params: Flats, hparams: MemberHparams, ends: Ends, theta: Theta, horizon: Tensor) -> State:
        """See `MemberRule`."""
        return _vmapped_init(self.rule, self.cut(params, ends), hparams, theta, horizon)

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
        in_dims = (0, 0, 0, 0, 0, 0, None, None, None)
        updates, new = torch.vmap(self._update_one, in_dims=in_dims)(
            self.cut(params, ends),
            self.cut(grads, ends),
            state,
            _with_rates(hparams, step.rates),
            {} if step.loss is None else {"loss": step.loss},
            step.signals,
            dict(theta),
            step.step,
            step.horizon,
        )
        return self.whole(updates), new

    def evaluation_params(self, params: Flats, state: State, hparams: MemberHparams, ends: Ends) -> Flats:
        """See `MemberRule`."""
        return self.whole(torch.vmap(self.rule.evaluation_params)(self.cut(params, ends), state, hparams))

    def _update_one(
        self,
        params: Tensors,
        grads: Tensors,
        state: State,
        hparams: MemberHparams,
        loss: Tensors,
        signals: Tensors,
        theta: Tensors,
        step: Tensor,
        horizon: Tensor,
    ) -> tuple[Tensors, State]:
        info = StepInfo(step=step, horizon=horizon, loss=loss.get("loss"), signals=signals)
        updates, new = self.rule.update(grads, state, params, hparams, theta, info)
        return updates, in_order(new, state)


def broadcasts(rule: Rule, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> bool:
    """Whether `BroadcastRule` gives bit for bit what `VmappedRule` gives, on random numbers.

    Args:
        rule: of granularity `"coordinate"`.
        names: of its hyperparameters.
        theta: learned weights of the rule.
        requires: signals that the rule requires.
    """
    vmapped = VmappedRule(rule, cut_where_decay_ends, joined_where_decay_ends, is_spared_part)
    expected = _trajectory(vmapped, names, theta, requires)
    try:
        return torch.allclose(
            _trajectory(BroadcastRule(rule), names, theta, requires), expected, 0.0, 0.0, equal_nan=True
        )
    except Exception:  # a rule may do anything with shapes that it does not expect
        return False


def _vmapped_init(rule: Rule, params: Tensors, hparams: MemberHparams, theta: Theta, horizon: Tensor) -> State:
    state: State = torch.vmap(lambda own, values: rule.init(own, values, theta, horizon))(params, hparams)
    return state


def _with_rates(hparams: MemberHparams, rates: Tensor | None) -> MemberHparams:
    return hparams if rates is None else {name: {**values, "lr": rates} for name, values in hparams.items()}


def _decays(numbers: Tensors) -> bool:
    return "weight_decay" in numbers


def _widened(numbers: Tensors, flat: Tensor, end: int) -> Tensors:
    wide = {name: value.unsqueeze(1) for name, value in numbers.items()}
    if _decays(wide) and end < flat.shape[1]:
        wide["weight_decay"] = wide["weight_decay"] * (torch.arange(flat.shape[1], device=flat.device) < end)
    return wide


def _columns(state: State) -> State:
    return {
        "tensors": {name: _each_column(own) for name, own in state["tensors"].items()},
        "shared": _each_column(state["shared"]),
    }


def _each_column(tensors: Tensors) -> Tensors:
    return {key: value.unsqueeze(1) if value.ndim == 1 else value for key, value in tensors.items()}


def _trajectory(member_rule: UniformRule, names: tuple[str, ...], theta: Theta, requires: frozenset[str]) -> Tensor:
    """Parameters after each of a few steps and those to evaluate with, shape (steps + 1, members, coordinates)."""
    generator = torch.Generator().manual_seed(0)
    numbers = {name: torch.rand(_MEMBERS, generator=generator) for name in names}
    for value in numbers.values():
        value[0] = 0.0  # a member that takes the other branch of every choice
    params = {"": torch.randn(_MEMBERS, _COORDINATES, generator=generator)}
    ends, horizon = {"": _COORDINATES // 2}, torch.tensor(float(_STEPS))
    hparams = member_rule.hparams(numbers, params, ends)
    state = member_rule.init(params, hparams, ends, theta, horizon)
    visited = []
    for step in range(_STEPS):
        grads = {"": torch.randn(_MEMBERS, _COORDINATES, generator=generator)}
        number = torch.rand(_MEMBERS, generator=generator)
        member_step = MemberStep(
            step=torch.tensor(float(step)),
            horizon=horizon,
            rates=number if "lr" in names else None,
            loss=number if "loss" in requires else None,
            signals=dict.fromkeys(requires - {"loss"}, number),
        )
        updates, state = member_rule.advance(params, grads, state, hparams, ends, theta, member_step)
        params = {"": params[""] + updates[""]}
        visited.append(params[""])
    return torch.stack([*visited, member_rule.evaluation_params(params, state, hparams, ends)[""]])
