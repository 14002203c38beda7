"""Mechanic: learns a scale for any rule's updates, by six betting algorithms at once (Cutkosky et al. 2023).

With the inner rule's update u_t at gradient g_t, Δ_t the sum of updates so far, w_0 the start, s = Σ s_i and
w' = w_t + u_t,

    h = ⟨Δ_t, g_t + decay·s·‖g_t‖·w'/‖w'‖⟩
    m_i = max(β_i·m_i, |h|),     v_i = β_i²·v_i + h²,     r_i = max(0, β_i·r_i − s_i·h)
    s_i = (initial·m_i/6 + r_i) / (√v_i + eps)
    w_{t+1} = w_0 + s·(Δ_t + u_t)

β = 1 − 10^−i for i from 1 to 6; norms and products are over all parameters, as `mechanic_pytorch` with
`store_delta=True`. All of it is state, so that a resumed run equals an unbroken one. A step whose product is not
finite leaves the scale as it is. Averages that an inner rule keeps are of iterates without the scale, so that
evaluation sees w, as in the package; averaging goes around Mechanic, not inside.

When to use it: around any rule when its rate may be wrong by a factor of ten: it finds the scale of the updates during
the run. It costs one more copy of the weights, and a rate and schedule tuned to the task do better.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

import metaopt
from metaopt import Granularity, Hparams, Params, State, StepInfo, Tensors, Theta
from metaopt_wrappers._shared.sums import over_all, root, square, wide

BETAS = tuple(1 - 10.0**-power for power in range(1, 7))
#: Value of m before the first step.
LEAST = 1e-6


@final
@dataclass(frozen=True)
class Mechanic(metaopt.WrappedRule):
    """State of a tensor: `initial`, w_0, and `offset`, Δ. Shared: `most`, `squares`, `reward`, `scales`: m, v, r, s."""

    prefix = "mechanic."

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """At least `sums`: it uses sums over all tensors."""
        return over_all(self.inner)

    def own_state(self, params: Params, hparams: Hparams) -> State:
        """State before the first step: no offset and no reward."""
        starts = {name: wide(param) for name, param in params.items()}
        tensors = {
            name: {"initial": start.clone(), "offset": torch.zeros_like(start)} for name, start in starts.items()
        }
        if not params:
            return {"tensors": tensors, "shared": {}}
        first = next(iter(starts.values()))
        zeros = torch.zeros(len(BETAS), dtype=first.dtype, device=first.device)
        shared = {
            "most": zeros + LEAST,
            "squares": zeros,
            "reward": zeros.clone(),
            "scales": zeros.clone(),
        }
        return {"tensors": tensors, "shared": shared}

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """The inner rule's step joins the offset; then all parameters are placed anew."""
        inner, own = self.split(state)
        if not grads:
            return {}, state
        updates, new = self.inner.update(grads, inner, params, hparams, theta, info)
        common, shared, tensors = hparams[next(iter(own["tensors"]))], own["shared"], dict(own["tensors"])
        like = shared["scales"]
        moved = {name: wide(params[name]) + wide(update) for name, update in updates.items()}
        gradient, size = (root(square(tensors_of.values())).to(like.dtype) for tensors_of in (grads, moved))
        eps, decay = (common[f"mechanic.{key}"].to(like.device, like.dtype) for key in ("eps", "decay"))
        pull = decay * like.sum() * gradient / (size + eps)
        offsets = [tensors[name]["offset"] for name in moved]
        pulled = [wide(grads[name]) + pull.to(step.dtype) * step for name, step in moved.items()]
        product = metaopt.inner_product(offsets, pulled).to(like.dtype)
        shared = _bet(shared, product, common["mechanic.initial"].to(like.device, like.dtype), eps)
        scale = shared["scales"].sum().clamp_min(0)
        placed = {}
        for name, update in updates.items():
            offset = tensors[name]["offset"] + wide(update)
            tensors[name] = {**tensors[name], "offset": offset}
            target = tensors[name]["initial"] + scale.to(offset.dtype) * offset
            placed[name] = (target - wide(params[name])).to(params[name].dtype)
        return placed, self.joined(new, {"tensors": tensors, "shared": shared})

    def evaluation_params(self, params: Params, state: State, hparams: Hparams) -> Tensors:
        """The parameters themselves."""
        return dict(params)


def _bet(shared: Params, product: Tensor, initial: Tensor, eps: Tensor) -> Tensors:
    betas = torch.tensor(BETAS, dtype=product.dtype, device=product.device)
    most = torch.maximum(betas * shared["most"], product.abs())
    squares = betas.square() * shared["squares"] + product.square()
    reward = (betas * shared["reward"] - shared["scales"] * product).clamp_min(0)
    scales = (most * initial / len(BETAS) + reward) / (root(squares) + eps)
    known = product.isfinite()
    new = {"most": most, "squares": squares, "reward": reward, "scales": scales}
    return {key: torch.where(known, value, shared[key]) for key, value in new.items()}


MECHANIC = metaopt.WrapperSpec(
    name="mechanic",
    version="2",
    summary="Learns a scale for any rule's updates.",
    wrap=Mechanic,
    space={
        "decay": metaopt.Float(1e-3, 0.1, log=True, default=0.01, valid="[0, inf)"),
        "initial": metaopt.Float(1e-9, 1e-5, log=True, default=1e-8, valid="(0, inf)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="(0, inf)"),
    },
    inner_lr=1.0,  # the authors': any will do, but a small one loses digits
    proposed=False,
    references=("https://arxiv.org/abs/2306.00144", "https://github.com/optimizedlearning/mechanic"),
)
