"""Prodigy: AdamW that estimates its own step size d, as `prodigyopt.Prodigy`.

With κ = η·d (times √(1-β2^t)/(1-β1^t) under `use_bias_correction`) and sums over all parameters with a gradient,

    r = β3·r + (d/d0)·κ·⟨g, w_0 - w⟩
    s = β3·s + (d/d0)·κ·g                         (with d for κ under `safeguard_warmup`)
    m = β1·m + (1-β1)·d·g
    v = β2·v + (1-β2)·d²·g²
    d̂ = d_coef · r / ‖s‖₁
    D = max(D, d̂),        d⁺ = min(D, growth_rate·d)        (while d = d0: of max(d, d̂), not of d)
    w = w - κ·( m / (√v + d⁺·ε) + λ·w )

η is `lr`, λ `weight_decay`, ε `eps`, and β3 = √β2 where `beta3` is 0. One d serves every parameter: groups may
differ in `weight_decay`, `eps` and `safeguard_warmup`; the numbers that d depends on (`beta1`, `beta2`, `beta3`, `d0`,
`d_coef`, `growth_rate`, `use_bias_correction`) are those of the first parameter, as in the reference. Groups may
have rates of their own too, which the reference refuses; a rate of 0 freezes a group, its decay included (the
reference goes on decaying it).

**Bounds on d.** Where the loss looks linear, as behind gradient clipping, the distance to the solution looks infinite
and d̂ triples at every step. d never exceeds `d_limit` (the reference has no limit; the default, 1000, is one
that only diverging runs meet). With clipping, set it to the largest Adam step size you would accept. d grows by at most
`growth_rate` a step (default unbounded, as in the reference; 1.02 works as a warm-up). A step whose estimate is
not finite leaves d as it is.

When to use it: when there is no time to tune a rate: leave `lr` at 1 and add a schedule that decays, such as `cosine`.
It needs four tensors a parameter, and a bound, `d_limit`, where gradients are clipped.
"""

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_optimizers._shared.moments import (
    TINY,
    add_scaled,
    bias_correction,
    counter,
    root,
    shrunk,
    state_dtype,
    zeros,
)

#: Stands in for an infinite growth rate, whose product with a zero derivative would be NaN.
_UNBOUNDED = 1e30


@final
class Prodigy(metaopt.Rule):
    """Prodigy as a pure rule over all parameters, which share sums over their numbers and nothing else.

    State of a tensor: `exp_avg`, `exp_avg_sq`, `s` and `initial`, of the parameter's shape. Shared, all 0-d: `step`,
    `d`, `d_max` (D above) and `d_numerator` (r above).
    """

    granularity = "sums"

    def init(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """Zero moments, the parameters as the origin w_0, and d = d0."""
        tensors = {name: _init_tensor(param) for name, param in params.items()}
        if not params:
            return {"tensors": tensors, "shared": {}}
        first = next(iter(params))
        dtype = _shared_dtype(params.values())
        origin = torch.zeros((), dtype=dtype, device=params[first].device)
        d0 = origin + hparams[first]["d0"].to(origin.device, dtype)
        shared = {"step": counter(params[first]), "d": d0, "d_max": d0.clone(), "d_numerator": origin}
        return {"tensors": tensors, "shared": shared}

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """One step: moments of every tensor, then d, then the parameters."""
        if not grads:
            return {}, state
        shared, tensors = state["shared"], dict(state["tensors"])
        common = hparams[next(iter(tensors))]
        d, correction = shared["d"], _correction(common, shared["step"])
        beta3 = torch.where(common["beta3"] > 0, common["beta3"], root(common["beta2"]))
        numerator, denominator = beta3 * shared["d_numerator"], torch.zeros_like(d)
        for name, grad in grads.items():
            tensors[name], inner, norm = _observe(
                grad, tensors[name], params[name], hparams[name], common, beta3, d, correction
            )
            numerator, denominator = numerator + inner, denominator + norm

        # Where all gradients so far were 0 there is nothing to follow, and the step does not count.
        moved = denominator > 0
        new_d, new_d_max, new_numerator = _estimate(shared, common, numerator, denominator)
        rate = torch.where(moved, d * correction, 0.0)
        updates = {
            name: _step(tensors[name], params[name], hparams[name], rate, new_d).to(params[name].dtype)
            for name in grads
        }
        new_shared = {
            "step": shared["step"] + moved,
            "d": new_d,
            "d_max": new_d_max,
            "d_numerator": new_numerator,
        }
        return updates, {
            "tensors": tensors,
            "shared": {key: value.to(shared[key].dtype) for key, value in new_shared.items()},
        }


def _init_tensor(param: Tensor) -> Tensors:
    return {
        "exp_avg": zeros(param),
        "exp_avg_sq": zeros(param),
        "s": zeros(param),
        "initial": param.to(state_dtype(param), copy=True),
    }


def _shared_dtype(params: Iterable[Tensor]) -> torch.dtype:
    return torch.float64 if any(param.dtype == torch.float64 for param in params) else torch.float32


def _correction(common: Params, step: Tensor) -> Tensor:
    """Adam's bias correction of step `step` + 1, 0-d, or 1 where it is off."""
    corrected = root(bias_correction(common["beta2"], step + 1)) / bias_correction(common["beta1"], step + 1)
    return torch.where(common["use_bias_correction"] > 0, corrected, 1.0)


def _observe(
    grad: Tensor,
    state: TensorState,
    param: Tensor,
    hparams: TensorHparams,
    common: Params,
    beta3: Tensor,
    d: Tensor,
    correction: Tensor,
) -> tuple[Tensors, Tensor, Tensor]:
    """A tensor's new state, its part of the numerator and of the denominator, 0-d."""
    grad = grad.to(state["s"].dtype)
    active = hparams["lr"] > 0
    rate = d * hparams["lr"] * correction
    ratio = d / hparams["d0"]
    inner = ratio * rate * (grad * (state["initial"] - param.to(grad.dtype))).sum()
    growth = ratio * torch.where(hparams["safeguard_warmup"] > 0, d, rate)
    new = {
        "exp_avg": _blend(state["exp_avg"], grad, common["beta1"], d * (1 - common["beta1"]), active),
        "exp_avg_sq": _blend(state["exp_avg_sq"], grad * grad, common["beta2"], d * d * (1 - common["beta2"]), active),
        "s": _blend(state["s"], grad, beta3, growth, active),
    }
    norm = torch.where(active, new["s"].abs().sum(), 0.0)
    return {**new, "initial": state["initial"]}, inner, norm


def _blend(old: Tensor, value: Tensor, beta: Tensor, scale: Tensor, active: Tensor) -> Tensor:
    """`beta·old + scale·value`, or `old` where not active."""
    decay = torch.where(active, beta, 1.0).to(old.device, old.dtype)
    return add_scaled(decay * old, torch.where(active, scale, 0.0), value)


def _estimate(shared: Params, common: Params, numerator: Tensor, denominator: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """New d, D and r, 0-d; the old ones where there is no finite estimate."""
    d, d_max = shared["d"], shared["d_max"]
    known = (denominator > 0) & torch.isfinite(numerator) & torch.isfinite(denominator)
    safe_numerator = torch.where(known, numerator, 0.0)
    estimate = common["d_coef"] * safe_numerator / torch.where(known, denominator, 1.0).clamp(min=TINY)
    estimate = torch.minimum(estimate, common["d_limit"])
    new_d_max = torch.where(known, torch.maximum(d_max, estimate), d_max)
    base = torch.where(d == common["d0"].to(d.dtype), torch.maximum(d, estimate), d)
    grown = torch.minimum(new_d_max, base * common["growth_rate"].clamp(max=_UNBOUNDED))
    return torch.where(known, grown, d), new_d_max, torch.where(known, numerator, shared["d_numerator"])


def _step(state: TensorState, param: Tensor, hparams: TensorHparams, rate: Tensor, d: Tensor) -> Tensor:
    mean = state["exp_avg"]
    own_rate = rate * hparams["lr"]
    param = param.to(mean.dtype)
    decay = shrunk(param, own_rate, hparams["weight_decay"]) - param
    scaled = (-own_rate).to(mean.dtype) * mean
    return torch.addcdiv(decay, scaled, root(state["exp_avg_sq"]) + d * hparams["eps"])


spec = metaopt.OptimizerSpec(
    name="prodigy",
    version="1",
    summary="AdamW that estimates its own step size; leave lr at 1.",
    rule=Prodigy(),
    packs={"betas": ("beta1", "beta2")},
    sets_rate=True,
    space={
        "lr": metaopt.Float(1.0, 1.0, default=1.0, valid="[0, inf)"),
        "beta1": metaopt.Float(0.8, 0.99, default=0.9, valid="[0, 1)"),
        "beta2": metaopt.Float(0.9, 0.9999, default=0.999, valid="[0, 1)"),
        "beta3": metaopt.Float(0.0, 0.0, default=0.0, valid="[0, 1)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="[1e-15, inf)"),
        "weight_decay": metaopt.Float(1e-5, 1.0, log=True, default=0.0, valid="[0, inf)"),
        "d0": metaopt.Float(1e-7, 1e-4, log=True, default=1e-6, valid="[1e-12, inf)"),
        "d_coef": metaopt.Float(0.1, 10.0, log=True, default=1.0, valid="(0, inf)"),
        "d_limit": metaopt.Float(1e3, 1e3, default=1e3, valid="(0, inf)"),
        # Infinity could not be written to a recipe's JSON.
        "growth_rate": metaopt.Float(1.02, 10.0, log=True, default=_UNBOUNDED, valid="[1, inf)"),
        "use_bias_correction": metaopt.Categorical((False, True)),
        "safeguard_warmup": metaopt.Categorical((False, True)),
    },
    references=("https://arxiv.org/abs/2306.06101", "https://github.com/konstmish/prodigy"),
)
