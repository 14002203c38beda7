"""Lookahead: every few steps the weights go back part of the way (Zhang et al. 2019).

    fast_{t+1} = fast_t + u_t;      at each period-th step:  slow = slow + alpha·(fast − slow),  fast = slow

u is the inner rule's update; slow begins where the parameters do.

When to use it: around a rule that is fast and noisy, such as `adamw` at a high rate. It costs one more copy of the
weights.
"""

from dataclasses import dataclass
from typing import final

import torch

import metaopt
from metaopt import Hparams, Params, State, StepInfo, Tensors, Theta


@final
@dataclass(frozen=True)
class Lookahead(metaopt.WrappedRule):
    """State of a tensor, beside the inner rule's: `lookahead.slow`, of its shape, and `lookahead.count`, 0-d."""

    prefix = "lookahead."

    def own_state(self, params: Params, hparams: Hparams) -> State:
        """State before the first step: the parameters as the slow weights."""
        tensors = {
            name: {"slow": param.clone(), "count": torch.zeros((), dtype=torch.float32, device=param.device)}
            for name, param in params.items()
        }
        return {"tensors": tensors, "shared": {}}

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """The inner rule's step; at each period-th step also the way back to the slow weights."""
        inner, own = self.split(state)
        updates, new = self.inner.update(grads, inner, params, hparams, theta, info)
        tensors, moved = dict(own["tensors"]), {}
        for name, update in updates.items():
            slow, count = tensors[name]["slow"], tensors[name]["count"] + 1
            back = count % hparams[name]["lookahead.period"].to(count.device) == 0
            alpha = hparams[name]["lookahead.alpha"].to(slow.device, slow.dtype)
            synced = torch.where(back, torch.lerp(slow, params[name] + update, alpha), slow)
            moved[name] = torch.where(back, synced - params[name], update)
            tensors[name] = {"slow": synced, "count": count}
        return moved, self.joined(new, {"tensors": tensors, "shared": {}})


LOOKAHEAD = metaopt.WrapperSpec(
    name="lookahead",
    version="1",
    summary="Every few steps the weights go back part of the way.",
    wrap=Lookahead,
    space={
        "alpha": metaopt.Float(0.2, 0.8, default=0.5, valid="(0, 1]"),
        "period": metaopt.Int(3, 20, log=True, default=5, valid="[1, inf)"),
    },
    proposed=False,
    references=("https://arxiv.org/abs/1907.08610",),
)
