"""Cautious steps: what goes against the gradient of the moment is left out (Liang et al. 2024).

    u = u ∘ c · n/(Σc + 1),        c = 1 where u·g < 0, else 0

u is what the rule inside adds to a tensor of n numbers, g the gradient. The factor gives the step back the length that
the mask takes. The authors mask the step before weight decay is added; here decay is part of the step, and masked too.

**Precision.** There is no state; the mask is of the step's precision.

When to use it: around rules with momentum, such as `adamw` and `lion`, where training swings.
"""

from dataclasses import dataclass
from typing import final

from torch import Tensor

import metaopt
from metaopt import Granularity, Hparams, Params, State, StepInfo, Tensors, Theta


@final
@dataclass(frozen=True)
class Cautious(metaopt.WrappedRule):
    """A rule whose steps agree with the gradient. It has no state of its own.

    Args:
        inner: the rule to wrap.
    """

    prefix = "cautious."

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """At least `tensor`: the share of a tensor's numbers that agree counts."""
        return "tensor" if self.inner.granularity in ("coordinate", "tensor") else "tree"

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """The inner rule's step, of which only what goes down the gradient stays."""
        inner, own = self.split(state)
        updates, new = self.inner.update(grads, inner, params, hparams, theta, info)
        return {name: _masked(update, grads[name]) for name, update in updates.items()}, self.joined(new, own)


def _masked(update: Tensor, grad: Tensor) -> Tensor:
    agreeing = (update * grad.to(update.dtype) < 0).to(update.dtype)
    return update * agreeing * (update.numel() / (agreeing.sum() + 1))


CAUTIOUS = metaopt.WrapperSpec(
    name="cautious",
    version="1",
    summary="Leaves out of each step what goes against the gradient.",
    wrap=Cautious,
    proposed=False,
    references=("https://arxiv.org/abs/2411.16085", "https://github.com/kyleliang919/C-Optim"),
)
