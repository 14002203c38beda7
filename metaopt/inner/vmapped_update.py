"""A rule's update of several members by vmap: right for every rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from metaopt.contracts import Rule, State, StepInfo, Tensors
from metaopt.contracts.rule import Theta

MemberHparams: TypeAlias = dict[str, Tensors]


@dataclass(frozen=True, slots=True)
class Now:
    """The step about to be taken by several members.

    Attributes:
        step: steps completed before, 0-d.
        horizon: planned number of steps, 0-d.
        loss: training losses of shape (members,), or None unless the rule requires them.
        signals: the other required signals, of shape (members,).
    """

    step: Tensor
    horizon: Tensor
    loss: Tensor | None
    signals: Tensors


class Update(Protocol):
    """Takes steps of several members, and remembers their state."""

    def step(self, grads: Mapping[str, Tensor], rates: Tensor | None, now: Now) -> None:
        """Update the members' parameters in place.

        Args:
            grads: gradients, keyed and shaped as the parameters.
            rates: learning rates of shape (members,), or None where the rule has no lr.
            now: the step.
        """
        ...

    def evaluation_params(self) -> Tensors:
        """Parameters to evaluate with; those themselves that the rule does not average."""
        ...


class VmappedUpdate:
    """See `Update`.

    Args:
        rule: any rule.
        params: by name, of shape (members, *shape), written to.
        hparams: for each name, of shape (members,).
        theta: learned weights of the rule.
        horizon: planned number of steps, 0-d.
    """

    def __init__(self, rule: Rule, params: Tensors, hparams: MemberHparams, theta: Theta, horizon: Tensor) -> None:
        self._rule = rule
        self._params = params
        self._hparams = hparams
        self._theta = theta
        self._state = initial_state(rule, params, hparams, theta, horizon)

    def step(self, grads: Mapping[str, Tensor], rates: Tensor | None, now: Now) -> None:
        """See `Update`."""
        updates, self._state = torch.vmap(self._one, in_dims=(0, 0, 0, 0, None, None, 0, 0))(
            dict(grads),
            self._state,
            self._params,
            with_rates(self._hparams, rates),
            now.step,
            now.horizon,
            {} if now.loss is None else {"loss": now.loss},
            now.signals,
        )
        for name, update in updates.items():
            self._params[name].add_(update)

    def evaluation_params(self) -> Tensors:
        """See `Update`."""
        found: Tensors = torch.vmap(self._rule.evaluation_params)(self._params, self._state, self._hparams)
        return found

    def _one(
        self,
        grads: Tensors,
        state: State,
        params: Tensors,
        hparams: MemberHparams,
        step: Tensor,
        horizon: Tensor,
        loss: Tensors,
        signals: Tensors,
    ) -> tuple[Tensors, State]:
        info = StepInfo(step=step, horizon=horizon, loss=loss.get("loss"), signals=signals)
        return self._rule.update(grads, state, params, hparams, self._theta, info)


def initial_state(rule: Rule, params: Tensors, hparams: MemberHparams, theta: Theta, horizon: Tensor) -> State:
    """The members' state before the first step, each tensor with a leading member axis."""
    state: State = torch.vmap(lambda given, values: rule.init(given, values, theta, horizon))(params, hparams)
    return state


def with_rates(hparams: MemberHparams, rates: Tensor | None) -> MemberHparams:
    """The hyperparameters with `lr` replaced."""
    return hparams if rates is None else {name: {**values, "lr": rates} for name, values in hparams.items()}
