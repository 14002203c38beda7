"""What a rule or controller may know about the step it is asked to take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

#: Signals that plugins may require, and what each one is. Hosts compute only those that are required.
SIGNALS: Mapping[str, str] = MappingProxyType(
    {
        "loss": "training loss of this step's batch, 0-d",
        "gradient_norm": "Euclidean norm of all gradients of this step together, 0-d",
        "agreement": "cosine of the angle between this step's gradient and the last update, 0-d: negative while going "
        "on is downhill, 0 at the first step; for controllers",
        "metric": "latest validation value, oriented so that lower is better, 0-d; NaN before the first",
        "horizon": "planned number of steps, 0-d",
    }
)


@dataclass(frozen=True, slots=True)
class StepInfo:
    """The step about to be taken.

    Attributes:
        step: number of steps completed before this one, 0-d; the first step has 0.
        horizon: planned number of steps, 0-d, or None where the host does not know it.
        loss: training loss of this step's batch, 0-d, or None unless `"loss"` is required.
        signals: the other required signals by name (see `SIGNALS`), 0-d each.
    """

    step: Tensor
    horizon: Tensor | None = None
    loss: Tensor | None = None
    signals: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def fraction(self) -> Tensor:
        """Step / horizon, in [0, 1) inside the plan, 1 and more past its end; 0 where there is no horizon."""
        if self.horizon is None:
            return torch.zeros_like(self.step, dtype=torch.float32)
        return self.step / self.horizon

    def to(self, device: torch.device) -> "StepInfo":
        """The same, its tensors on a device."""
        return StepInfo(
            step=self.step.to(device),
            horizon=None if self.horizon is None else self.horizon.to(device),
            loss=None if self.loss is None else self.loss.to(device),
            signals={name: signal.to(device) for name, signal in self.signals.items()},
        )
