"""One step's weights and the one gradient of all tasks, as pure functions that a population vmaps.

    w = weights of the losses L_1 … L_K        g_k = ∇ w_k L_k of the trunk        g = surgery(g_1 … g_K)

Without surgery g is the mean of the g_k. A step whose losses or gradients are not finite changes no state: its weights
are 1, its gradient is the mean, and whoever guards steps skips it.
"""

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor

from metaopt.contracts import (
    BalanceState,
    CombineGradients,
    InitBalance,
    MixTasks,
    StepInfo,
    TensorHparams,
    WeighTasks,
)

#: Hyperparameters of the weighting and of the surgery.
BalanceHparams: TypeAlias = Mapping[str, TensorHparams]

_WEIGHTING, _SURGERY = "weighting", "surgery"


@final
@dataclass(frozen=True)
class Balance:
    """A weighting and a surgery, either or both of which may be missing; equal and hashed by their functions.

    Attributes:
        weigh: see `metaopt.WeightingSpec`; None for equal weights.
        mix: see `metaopt.SurgerySpec`; likewise `combine`.
        init_weighting: the state before the first step; likewise `init_surgery`.
        level: what surgery takes gradients of.
    """

    weigh: WeighTasks | None = None
    mix: MixTasks | None = None
    combine: CombineGradients | None = None
    init_weighting: InitBalance | None = None
    init_surgery: InitBalance | None = None
    level: Literal["parameters", "representation"] = "parameters"

    @property
    def has_surgery(self) -> bool:
        """Whether each task's gradient is needed."""
        return self.mix is not None or self.combine is not None

    @property
    def is_plain(self) -> bool:
        """Whether a step descends the mean of the losses as it is."""
        return self.weigh is None and not self.has_surgery

    def init(self, tasks: int, hparams: BalanceHparams) -> BalanceState:
        """State before the first step, from the number of tasks."""
        state: BalanceState = {}
        for owner, make in ((_WEIGHTING, self.init_weighting), (_SURGERY, self.init_surgery)):
            own = {} if make is None else make(tasks, hparams[owner])
            state |= {f"{owner}.{name}": value for name, value in own.items()}
        return state

    def weights(
        self, losses: Tensor, state: BalanceState, hparams: BalanceHparams, info: StepInfo
    ) -> tuple[Tensor, BalanceState]:
        """Weights of this step and the state after it, from losses of shape (tasks,)."""
        if self.weigh is None:
            return torch.ones_like(losses), state
        weights, new = self.weigh(losses, _own(state, _WEIGHTING), hparams[_WEIGHTING], info)
        is_sound = torch.isfinite(losses).all()
        weights = torch.where(is_sound, weights.to(losses.dtype), torch.ones_like(losses))
        return weights, _unless(is_sound, state, _WEIGHTING, new)

    def combined(
        self, rows: Sequence[Tensor], state: BalanceState, hparams: BalanceHparams, info: StepInfo
    ) -> tuple[list[Tensor], BalanceState]:
        """One gradient for all tasks, and the state after it.

        Args:
            rows: of each tensor its gradients by task, shape (tasks, …).
            state: before the step.
            hparams: of weighting and surgery.
            info: the step.
        """
        if not rows:  # a trunk that is frozen
            return [], state
        if self.mix is not None:
            gram = inner_products(rows)
            mean = torch.full_like(gram[0], 1 / len(gram))
            is_sound = torch.isfinite(gram).all()
            safe = torch.where(is_sound, gram, torch.zeros_like(gram))
            coefficients, new = self.mix(safe, _own(state, _SURGERY), hparams[_SURGERY], info)
            coefficients = torch.where(is_sound, coefficients.to(gram.dtype), mean)
            return [mixed(row, coefficients) for row in rows], _unless(is_sound, state, _SURGERY, new)
        if self.combine is None:
            return [row.mean(0) for row in rows], state
        flat = torch.cat([row.flatten(1) if row.ndim > 1 else row.unsqueeze(1) for row in rows], 1)
        is_sound = torch.isfinite(flat).all()
        gradient, new = self.combine(flat, _own(state, _SURGERY), hparams[_SURGERY], info)
        gradient = torch.where(is_sound, gradient.to(flat.dtype), flat.mean(0))
        parts = gradient.split([row[0].numel() for row in rows])
        whole = [part.reshape(row.shape[1:]).to(row.dtype) for part, row in zip(parts, rows, strict=True)]
        return whole, _unless(is_sound, state, _SURGERY, new)


def inner_products(rows: Sequence[Tensor]) -> Tensor:
    """Inner products of the tasks' gradients over all tensors together, shape (tasks, tasks), in float32 or better."""
    flats = [row.reshape(len(row), -1).to(torch.promote_types(row.dtype, torch.float32)) for row in rows]
    return functools.reduce(operator.add, [flat @ flat.T for flat in flats])


def mixed(row: Tensor, coefficients: Tensor) -> Tensor:
    """Σ coefficients[k] · row[k], of the shape of one row."""
    return (coefficients.to(row.dtype) @ row.reshape(len(row), -1)).reshape(row.shape[1:])


def _own(state: BalanceState, owner: str) -> BalanceState:
    prefix = f"{owner}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _unless(is_sound: Tensor, state: BalanceState, owner: str, new: BalanceState) -> BalanceState:
    """The state with what an owner remembers now, unless the step was not sound."""
    after = {f"{owner}.{name}": value for name, value in new.items()}
    return {name: torch.where(is_sound, after[name], old) if name in after else old for name, old in state.items()}
