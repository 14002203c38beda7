"""Distance over gradients: what DoG, its layer-wise form and DoWG share (Ivgi et al. 2023; Khaled et al. 2023).

With r_t = max(r_{t−1}, ‖w_t − w_0‖), r_{−1} = initial·(1 + ‖w_0‖), and the gradient g_t at w_t,

    DoG:   G_t = G_{t−1} + ‖g_t‖²,           rate = r_t / √G_t,           G_{−1} = eps
    DoWG:  G_t = G_{t−1} + r_t²·‖g_t‖²,      rate = r_t² / √G_t,          G_{−1} = r_{−1}²·eps

so that both begin with the same rate: an eps that is not weighted outweighs all gradients while r is small. The inner
rule steps with that times its `lr`, which is 1 where nobody states it. A step whose gradient is not finite leaves r
and G as they are.

The rate counts on an inner step that grows with the gradient, as SGD's does: it is then the same whatever the loss is
multiplied by. Over rules that normalise the gradient (AdamW, RMSprop, Lion) it is not: gradients far below 1 make the
rate too large, up to divergence, and those far above 1 too small to move; `mechanic` is made for such rules.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

import metaopt
from metaopt import Granularity, Hparams, Params, State, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_wrappers._shared.sums import over_all, root, square, wide

#: The first distance as a share of 1 + ‖w_0‖; networks with batch norm want 1e-4.
INITIAL = metaopt.Float(1e-7, 1e-3, log=True, default=1e-6, valid="(0, inf)")
EPS = metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="(0, inf)")


@final
@dataclass(frozen=True)
class Distance(metaopt.SteeringRule):
    """State: `initial`, w_0; `reached`, r, and `squares`, G, 0-d: of each tensor, or shared by all.

    Args:
        inner: the rule whose `lr` is multiplied.
        name: name of the wrapper.
        weighted: whether it is DoWG instead of DoG.
        layerwise: whether each tensor has its own rate.
    """

    name: str = "dog"
    weighted: bool = False
    layerwise: bool = False

    @property
    def prefix(self) -> str:  # type: ignore[override]
        """The wrapper's name and a dot."""
        return f"{self.name}."

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """Norms are of tensors, or sums over all of them."""
        if self.layerwise:
            return "tensor" if self.inner.granularity in ("coordinate", "tensor") else "tree"
        return over_all(self.inner)

    def own_state(self, params: Params, hparams: Hparams) -> State:
        """State before the first step: the initial parameters and no gradients."""
        tensors = {name: {"initial": wide(param).clone()} for name, param in params.items()}
        shared: Tensors = {}
        if self.layerwise:
            for name, own in tensors.items():
                own.update(self._begun([own["initial"]], hparams[name]))
        elif params:
            first = next(iter(params))
            shared = self._begun([own["initial"] for own in tensors.values()], hparams[first])
        return {"tensors": tensors, "shared": shared}

    def steer(
        self, grads: Params, own: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Hparams, State]:
        """Distances and gradients so far, and the rate that follows."""
        tensors, shared, changed = dict(own["tensors"]), own["shared"], dict(hparams)
        if self.layerwise:
            for name in grads:
                advanced = self._advanced(tensors[name], _distance(tensors, params, [name]), square([grads[name]]))
                tensors[name] = {**tensors[name], **advanced}
                changed[name] = _scaled(hparams[name], self._rate(advanced))
        elif grads:
            shared = self._advanced(shared, _distance(tensors, params, tensors), square(grads.values()))
            rate = self._rate(shared)
            groups = {id(hparams[name]): hparams[name] for name in grads}
            scaled = {key: _scaled(group, rate) for key, group in groups.items()}
            changed.update({name: scaled[id(hparams[name])] for name in grads})
        return changed, {"tensors": tensors, "shared": shared}

    def _begun(self, initial: list[Tensor], hparams: TensorHparams) -> Tensors:
        norm = root(square(initial))
        reached = hparams[f"{self.prefix}initial"].to(norm.device, norm.dtype) * (1 + norm)
        eps = hparams[f"{self.prefix}eps"].to(norm.device, norm.dtype)
        return {"reached": reached, "squares": self._weight(reached) * eps}

    def _advanced(self, old: Params, distance: Tensor, gradient: Tensor) -> Tensors:
        reached = torch.maximum(old["reached"], distance.to(old["reached"].dtype))
        squares = old["squares"] + self._weight(reached) * gradient.to(reached.dtype)
        known = squares.isfinite() & reached.isfinite()
        return {
            "reached": torch.where(known, reached, old["reached"]),
            "squares": torch.where(known, squares, old["squares"]),
        }

    def _weight(self, reached: Tensor) -> Tensor:
        return reached.square() if self.weighted else torch.ones_like(reached)

    def _rate(self, state: Params) -> Tensor:
        reached = state["reached"].square() if self.weighted else state["reached"]
        return reached / state["squares"].sqrt()


def distance_wrapper(
    name: str, *, weighted: bool = False, layerwise: bool = False
) -> Callable[[metaopt.Rule], Distance]:
    """`rule -> rule` for a spec."""

    def wrap(inner: metaopt.Rule) -> Distance:
        return Distance(inner, name=name, weighted=weighted, layerwise=layerwise)

    return wrap


def _distance(tensors: Mapping[str, TensorState], params: Params, names: Iterable[str]) -> Tensor:
    return root(square(wide(params[name]) - tensors[name]["initial"] for name in names))


def _scaled(hparams: TensorHparams, rate: Tensor) -> Tensors:
    return {**hparams, "lr": hparams["lr"] * rate.to(hparams["lr"].dtype)}
