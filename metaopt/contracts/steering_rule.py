"""A rule around another one that only says with which hyperparameters, and along which gradients, it steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from metaopt.contracts.gradient_limits import GradientLimits
from metaopt.contracts.rule import Hparams, State, Tensors, Theta
from metaopt.contracts.step_info import StepInfo
from metaopt.contracts.wrapped_rule import WrappedRule


@dataclass(frozen=True)
class SteeringRule(WrappedRule):
    """Subclass it, say what `prefix` and `own_state` are, and write `steer` or `limits`, or both.

    Write `moved` too where updates are looked at.

    Since the inner rule's arithmetic is left alone, a library's class that computes the same may take its place where
    the rule is deployed.

    Args:
        inner: the rule to steer.
    """

    def begin(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """What the wrapper remembers before the first step; override it where that depends on theta or the horizon."""
        return self.own_state(params, hparams)

    def steer(
        self,
        grads: Mapping[str, Tensor],
        own: State,
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Hparams, State]:
        """Look at the step about to be taken; by default the inner rule steps with the hyperparameters as they are.

        Args:
            grads: as for `Rule.update`.
            own: the wrapper's state, by keys without the prefix.
            params: as for `Rule.update`.
            hparams: as for `Rule.update`; tensors of a param group share one dict.
            theta: as for `Rule.update`.
            info: as for `Rule.update`.

        Returns:
            For each name of `params`, what the inner rule shall step with, and the wrapper's state. Tensors that step
            with the same share one dict: a library's class takes one pass for each dict.
        """
        return hparams, own

    def limits(
        self,
        grads: Mapping[str, Tensor],
        own: State,
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> GradientLimits | None:
        """How much smaller the gradients are that the inner rule sees; by default it sees them as they are.

        Args:
            grads: as for `Rule.update`.
            own: as `steer` returned it.
            params: as for `Rule.update`.
            hparams: as for `Rule.update`; tensors of a param group share one dict.
            theta: as for `Rule.update`.
            info: as for `Rule.update`.
        """
        return None

    def moved(self, own: State, updates: Mapping[str, Tensor]) -> State:
        """Look at the step taken; deployed around a library's class, updates are differences of rounded parameters.

        Args:
            own: as `steer` returned it.
            updates: what was added to each parameter that had a gradient, by name.

        Returns:
            The wrapper's state, with unchanged keys, shapes and dtypes.
        """
        return own

    @final
    def init(self, params: Mapping[str, Tensor], hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """The inner rule's state and what `begin` says."""
        return self.joined(
            self.inner.init(params, hparams, theta, horizon), self.begin(params, hparams, theta, horizon)
        )

    @final
    def update(
        self,
        grads: Mapping[str, Tensor],
        state: State,
        params: Mapping[str, Tensor],
        hparams: Hparams,
        theta: Theta,
        info: StepInfo,
    ) -> tuple[Tensors, State]:
        """`steer`, `limits`, the inner rule's step, `moved`."""
        inner, own = self.split(state)
        steered, own = self.steer(grads, own, params, hparams, theta, info)
        limits = self.limits(grads, own, params, hparams, theta, info)
        limited = grads if limits is None else limits.of(grads)
        updates, new = self.inner.update(limited, inner, params, steered, theta, info)
        return updates, self.joined(new, self.moved(own, updates))
