"""Meta-SGD: a learned start and learned rates, of either sign (Li et al. 2017).

    θ₀ = start,   θₜ₊₁ = θₜ − α ∘ g

α is learned with the start: a number for each coordinate (`rates="coordinate"`, as in the paper), or one for each
tensor (`rates="tensor"`), which also serves models whose tensors have the same names and other shapes.

When to use it: first among the few-shot rules: it learns the rates with the start, and did better than `maml` on the
waves here.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, StepInfo, Tensors, Theta
from metaopt_learned._shared.learned_start import FromLearnedStart, of, start_theta


class RatedDescent(FromLearnedStart):
    """Gradient descent with learned rates from a learned start. No state."""

    def init(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """An empty state; refuses rates whose shapes are not the parameters'."""
        for name, param in params.items():
            rate = of(theta, "rate", name)
            if rate.ndim and rate.shape != param.shape:
                raise metaopt.InputError(
                    f"The learned rates of {name!r} have shape {tuple(rate.shape)}, the parameter has "
                    f"{tuple(param.shape)}: meta-train with rates='tensor' to serve other shapes."
                )
        return super().init(params, hparams, theta, horizon)

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """−α ∘ g."""
        return {name: (-of(theta, "rate", name) * grad).to(params[name].dtype) for name, grad in grads.items()}, state


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The start where the model is, and one rate everywhere."""
    shapes = {name: param.shape if hparams["rates"] == "coordinate" else () for name, param in params.items()}
    rates = {f"rate.{name}": torch.full(shape, float(hparams["initial_lr"])) for name, shape in shapes.items()}
    return {**start_theta(params), **rates}


spec = metaopt.OptimizerSpec(
    name="meta_sgd",
    version="1",
    summary="A learned start and learned rates, of either sign, for each coordinate or each tensor.",
    rule=RatedDescent(),
    meta=metaopt.MetaTraining(
        init_theta=init_theta,
        orders=("second", "first"),
        space={
            "initial_lr": metaopt.Float(1e-3, 1.0, log=True, default=0.05, valid="(-inf, inf)"),
            "rates": metaopt.Categorical(("coordinate", "tensor")),
        },
    ),
    references=("https://arxiv.org/abs/1707.09835",),
)
