"""Averages the iterates of any rule: an exponential moving average, Polyak's uniform one, or a polynomial one.

    a_n = a_{n-1} + c_n·(w_n - a_{n-1}),        c_1 = 1
    ema:     c_n = 1 - decay
    polyak:  c_n = 1/n,  where n counts the iterates since the fraction `start` of the horizon
    polynomial:  c_n = (power + 1)/(power + n)      (Shamir & Zhang 2013; what DoG asks for, with power 8)

Training runs at w; `evaluation_params` returns a, and w itself as long as nothing has been averaged. An inner rule
that evaluates elsewhere than it trains (Schedule-Free) is averaged there. `ema` is
`torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`, `polyak` the same with its default. Without a
horizon Polyak's average starts at once.

When to use it: around a rule with a constant rate, in place of a schedule that decays, and around `dog`, whose authors
ask for it. Evaluate inside `run.evaluating()`; recompute BatchNorm's statistics there.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_wrappers._shared.sums import wide

_KINDS = ("ema", "polyak", "polynomial")


@final
@dataclass(frozen=True)
class Averaged(metaopt.WrappedRule):
    """A rule that trains as `inner` does and evaluates with the average of its iterates.

    State of a tensor, beside the inner rule's: `averaged.average`, of the parameter's shape, and `averaged.count`
    (n above), 0-d.

    Args:
        inner: the rule to wrap.
    """

    prefix = "averaged."

    def own_state(self, params: Params, hparams: Hparams) -> State:
        """State before the first step: empty averages."""
        tensors = {
            name: {"average": wide(param).clone(), "count": torch.zeros((), dtype=torch.float32, device=param.device)}
            for name, param in params.items()
        }
        return {"tensors": tensors, "shared": {}}

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """The inner rule's step; then every tensor's new value joins its average, moved or not."""
        inner, own = self.split(state)
        updates, new = self.inner.update(grads, inner, params, hparams, theta, info)
        moved = {name: params[name] + updates[name] if name in updates else params[name] for name in own["tensors"]}
        iterates = self.inner.evaluation_params(moved, new, hparams)
        averages = {
            name: _average(average, iterates[name], hparams[name], info) for name, average in own["tensors"].items()
        }
        return updates, self.joined(new, {"tensors": averages, "shared": {}})

    def evaluation_params(self, params: Params, state: State, hparams: Hparams) -> Tensors:
        """The averages, or the inner rule's evaluation parameters where nothing has been averaged."""
        inner, own = self.split(state)
        current = self.inner.evaluation_params(params, inner, hparams)
        return {name: _evaluated(param, own["tensors"].get(name)) for name, param in current.items()}


def _average(state: TensorState, iterate: Tensor, hparams: TensorHparams, info: StepInfo) -> TensorState:
    average, count, kind = state["average"], state["count"], hparams["averaged.kind"]
    waits = kind == _KINDS.index("polyak")
    open_ended = info.horizon is None
    started = torch.ones_like(waits) if open_ended else ~waits | (info.fraction >= hparams["averaged.start"])
    power = torch.where(waits, 0.0, hparams["averaged.power"])
    weight = torch.where(kind > 0, (power + 1) / (count + 1 + power), 1 - hparams["averaged.decay"])
    weight = torch.where(count > 0, weight, 1.0).to(average.device, average.dtype)
    return {"average": torch.lerp(average, iterate.to(average.dtype), weight), "count": count + started}


def _evaluated(param: Tensor, state: TensorState | None) -> Tensor:
    if state is None:
        return param
    return torch.where(state["count"] > 0, state["average"].to(param.dtype), param)


AVERAGED = metaopt.WrapperSpec(
    name="averaged",
    version="1",
    summary="Evaluates with an exponential, uniform or polynomial average of the iterates.",
    wrap=Averaged,
    space={
        "kind": metaopt.Categorical(_KINDS, default="ema"),
        "decay": metaopt.Float(0.9, 0.999, default=0.999, valid="[0, 1]", when=metaopt.When("kind", among=("ema",))),
        "power": metaopt.Float(
            1.0, 16.0, default=8.0, valid="[0, inf)", when=metaopt.When("kind", among=("polynomial",))
        ),
        "start": metaopt.Float(0.0, 0.9, default=0.5, valid="[0, 1]", when=metaopt.When("kind", among=("polyak",))),
    },
    references=(
        "https://epubs.siam.org/doi/10.1137/0330046",
        "https://arxiv.org/abs/1803.05407",
        "https://arxiv.org/abs/1212.1824",
        "https://pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema",
    ),
)
