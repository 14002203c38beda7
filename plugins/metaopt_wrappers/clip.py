"""Clipping: gradients are kept small before the rule inside sees them.

    norm:      g = g · min(1, max_norm / (‖g‖ + 10⁻⁶)),        ‖g‖ over all parameters
    value:     g = max(-max_value, min(max_value, g))
    adaptive:  g_i = g_i · min(1, ratio · max(‖w_i‖, 10⁻³) / ‖g_i‖)

`norm` is `torch.nn.utils.clip_grad_norm_`, `value` is `clip_grad_value_`. `adaptive` (Brock et al. 2021) compares each
unit i of a layer, the weights of one output, with its own weights; a tensor of at most one dimension is one unit.

**Precision.** There is no state. Factors are of the gradients' precision. Around a library's class gradients are
clipped in place, as torch's functions do, by the norm that the guard of gradients has read already.

When to use it: `norm` where single batches throw training back, as with recurrent networks and transformers;
`adaptive` for networks without normalisation and large batches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

import metaopt
from metaopt import Granularity, Hparams, Params, State, StepInfo, Theta, Value

_MODES = ("norm", "value", "adaptive")
#: Keeps a norm of 0 out of the denominator; torch's.
_TINY = 1e-6
#: Least norm of a unit's weights, so that those that begin at 0 can move.
_LEAST = 1e-3


@final
@dataclass(frozen=True)
class Clip(metaopt.SteeringRule):
    """A rule that sees clipped gradients. It has no state of its own.

    Args:
        inner: the rule to wrap.
        mode: `"norm"`, `"value"` or `"adaptive"`.
    """

    mode: str = "norm"

    prefix = "clip."

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """That of the rule inside, which the norm of all gradients is told; units are parts of tensors."""
        inner = self.inner.granularity
        if self.mode != "adaptive":
            return inner
        return "tensor" if inner in ("coordinate", "tensor") else "tree"

    def limits(
        self, grads: Params, own: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> metaopt.GradientLimits:
        """Factors, or bounds under `value`."""
        groups = {id(hparams[name]): hparams[name] for name in grads}
        if self.mode == "value":
            return metaopt.GradientLimits(bounds={name: hparams[name]["clip.max_value"] for name in grads})
        if self.mode == "adaptive":
            return metaopt.GradientLimits(
                {name: _unit_factor(grad, params[name], hparams[name]["clip.ratio"]) for name, grad in grads.items()}
            )
        norm = info.signals["gradient_norm"]
        largest = {key: group["clip.max_norm"].to(norm.device) for key, group in groups.items()}
        factors = {key: (most / (norm + _TINY)).clamp(max=1.0) for key, most in largest.items()}
        return metaopt.GradientLimits({name: factors[id(hparams[name])] for name in grads})


def _unit_factor(grad: Tensor, param: Tensor, ratio: Tensor) -> Tensor:
    """One factor for each unit of a tensor, in a shape that broadcasts to it."""
    largest = _unit_norm(param).clamp(min=_LEAST) * ratio.to(param.device, param.dtype)
    norm = _unit_norm(grad)
    return torch.where(norm > largest, largest / norm.clamp(min=_TINY), 1.0)


def _unit_norm(tensor: Tensor) -> Tensor:
    dims = tuple(range(1, tensor.ndim)) if tensor.ndim > 1 else None
    norm: Tensor = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)
    return norm


def _plain(values: Mapping[str, Value]) -> str:
    if values["mode"] == "norm":
        return f"torch.nn.utils.clip_grad_norm_(model.parameters(), {values['max_norm']!r})"
    if values["mode"] == "value":
        return f"torch.nn.utils.clip_grad_value_(model.parameters(), {values['max_value']!r})"
    return f"""
        for param in model.parameters():
            if param.grad is not None:
                dims = tuple(range(1, param.ndim)) or None
                largest = torch.linalg.vector_norm(param.detach(), dim=dims, keepdim=True).clamp(min={_LEAST!r})
                norm = torch.linalg.vector_norm(param.grad, dim=dims, keepdim=True)
                param.grad.mul_((largest * {values["ratio"]!r} / norm.clamp(min={_TINY!r})).clamp(max=1.0))
    """


CLIP = metaopt.WrapperSpec(
    name="clip",
    version="1",
    summary="Keeps gradients small: by norm, by value, or beside the weights.",
    wrap=Clip,
    space={
        "mode": metaopt.Categorical(_MODES, default="norm"),
        "max_norm": metaopt.Float(
            0.1, 10.0, log=True, default=1.0, valid="(0, inf)", when=metaopt.When("mode", among=("norm",))
        ),
        "max_value": metaopt.Float(
            1e-2, 1.0, log=True, default=1.0, valid="(0, inf)", when=metaopt.When("mode", among=("value",))
        ),
        "ratio": metaopt.Float(
            1e-3, 1e-1, log=True, default=1e-2, valid="(0, inf)", when=metaopt.When("mode", among=("adaptive",))
        ),
    },
    structural=("mode",),
    requires_when={"gradient_norm": metaopt.When("mode", among=("norm",))},
    plain=_plain,
    proposed=False,
    references=(
        "https://proceedings.mlr.press/v28/pascanu13.html",
        "https://arxiv.org/abs/2102.06171",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
    ),
)
