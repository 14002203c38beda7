"""Averages the iterates of any rule: an exponential moving average, or Polyak's uniform one.

    a_n = a_{n-1} + c_n·(w_n - a_{n-1}),        c_1 = 1
    ema:     c_n = 1 - decay
    polyak:  c_n = 1/n,  where n counts the iterates since the fraction `start` of the horizon

Training runs at w; `evaluation_params` returns a, and w itself as long as nothing has been averaged. An inner rule
that evaluates elsewhere than it trains (Schedule-Free) is averaged there. `ema` is
`torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`, `polyak` the same with its default. Without a
horizon Polyak's average starts at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor

import metaopt
from metaopt_optimizers.moments import counter, state_dtype

Granularity: TypeAlias = Literal["coordinate", "tensor", "sums", "tree"]

_PREFIX = "averaged."
_KINDS = ("ema", "polyak")


@final
@dataclass(frozen=True)
class Averaged(metaopt.Rule):
    """A rule that trains as `inner` does and evaluates with the average of its iterates.

    State of a tensor, beside the inner rule's: `averaged.average`, of the parameter's shape, and `averaged.count`
    (n above), 0-d.

    Args:
        inner: the rule to wrap.
    """

    inner: metaopt.Rule

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """That of the inner rule: an average of coordinates is coordinate by coordinate."""
        return self.inner.granularity

    def init(
        self,
        params: Mapping[str, Tensor],
        hparams: Mapping[str, Mapping[str, Tensor]],
        theta: Mapping[str, Tensor],
        horizon: Tensor | None,
    ) -> metaopt.State:
        """The inner rule's state, and an average of nothing."""
        state = self.inner.init(params, hparams, theta, horizon)
        own = {
            name: {
                f"{_PREFIX}average": param.to(state_dtype(param), copy=True),
                f"{_PREFIX}count": counter(param),
            }
            for name, param in params.items()
        }
        return _joined(state, own)

    def update(
        self,
        grads: Mapping[str, Tensor],
        state: metaopt.State,
        params: Mapping[str, Tensor],
        hparams: Mapping[str, Mapping[str, Tensor]],
        theta: Mapping[str, Tensor],
        info: metaopt.StepInfo,
    ) -> tuple[dict[str, Tensor], metaopt.State]:
        """The inner rule's step; then every tensor's new value joins its average, moved or not."""
        updates, new_state = self.inner.update(grads, _inner(state), params, hparams, theta, info)
        names = state["tensors"]
        moved = {name: params[name] + updates[name] if name in updates else params[name] for name in names}
        iterates = self.inner.evaluation_params(moved, new_state, hparams)
        own = {name: _average(state["tensors"][name], iterates[name], hparams[name], info) for name in names}
        return updates, _joined(new_state, own)

    def start(self, params: Mapping[str, Tensor], theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The inner rule's learned initialisation."""
        return self.inner.start(params, theta)

    def evaluation_params(
        self, params: Mapping[str, Tensor], state: metaopt.State, hparams: Mapping[str, Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """The averages; what the inner rule evaluates with where there is none yet."""
        current = self.inner.evaluation_params(params, _inner(state), hparams)
        return {name: _evaluated(param, state["tensors"].get(name)) for name, param in current.items()}


def _average(
    state: Mapping[str, Tensor], iterate: Tensor, hparams: Mapping[str, Tensor], info: metaopt.StepInfo
) -> dict[str, Tensor]:
    average, count = state[f"{_PREFIX}average"], state[f"{_PREFIX}count"]
    polyak = hparams["averaged.kind"] > 0
    open_ended = info.horizon is None
    started = torch.ones_like(polyak) if open_ended else ~polyak | (info.fraction >= hparams["averaged.start"])
    weight = torch.where(polyak, 1 / (count + 1), 1 - hparams["averaged.decay"])
    weight = torch.where(count > 0, weight, 1.0).to(average.device, average.dtype)
    return {
        f"{_PREFIX}average": torch.lerp(average, iterate.to(average.dtype), weight),
        f"{_PREFIX}count": count + started,
    }


def _evaluated(param: Tensor, state: Mapping[str, Tensor] | None) -> Tensor:
    if state is None:
        return param
    return torch.where(state[f"{_PREFIX}count"] > 0, state[f"{_PREFIX}average"].to(param.dtype), param)


def _inner(state: metaopt.State) -> metaopt.State:
    tensors = {
        name: {key: value for key, value in own.items() if not key.startswith(_PREFIX)}
        for name, own in state["tensors"].items()
    }
    return {"tensors": tensors, "shared": state["shared"]}


def _joined(state: metaopt.State, own: Mapping[str, dict[str, Tensor]]) -> metaopt.State:
    tensors = {name: {**state["tensors"].get(name, {}), **own[name]} for name in own}
    return {"tensors": tensors, "shared": state["shared"]}


spec = metaopt.WrapperSpec(
    name="averaged",
    version="1",
    summary="Evaluates with an exponential or a uniform average of the iterates.",
    wrap=Averaged,
    space={
        "kind": metaopt.Categorical(_KINDS),
        "decay": metaopt.Float(0.9, 0.999, default=0.999, valid="[0, 1]", when=metaopt.When("kind", among=("ema",))),
        "start": metaopt.Float(0.0, 0.9, default=0.5, valid="[0, 1]", when=metaopt.When("kind", among=("polyak",))),
    },
    references=(
        "https://epubs.siam.org/doi/10.1137/0330046",
        "https://arxiv.org/abs/1803.05407",
        "https://pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema",
    ),
)
