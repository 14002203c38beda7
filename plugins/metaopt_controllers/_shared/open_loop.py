"""Controllers whose rate is a formula of the step, the horizon and the hyperparameters, and of nothing else.

Most formulas begin with a linear warm-up, and go on with the progress of what follows it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from torch import Tensor

from metaopt import Float, InputError, Rate, StepInfo, TensorHparams, TensorState

#: Share of the horizon over which the rate rises to its peak; 0 starts at the peak.
WARMUP = Float(0.0, 0.2, default=0.05, valid="[0, 1]")

#: `(step, horizon, hparams) -> multiplier of lr`, all 0-d.
Formula: TypeAlias = Callable[[Tensor, Tensor, TensorHparams], Tensor]


@final
@dataclass(frozen=True)
class OpenLoop:
    """A schedule: the multiplier that `formula` gives, and no state.

    Args:
        name: the controller's name, for messages.
        formula: `(step, horizon, hparams) -> multiplier`, where `step` counts the steps completed before this one.
    """

    name: str
    formula: Formula

    def init(self, hparams: TensorHparams) -> TensorState:
        """An empty state."""
        return {}

    def update(self, state: TensorState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, TensorState]:
        """The multiplier at `info.step`.

        Raises:
            InputError: the horizon is unknown.
        """
        if info.horizon is None:
            raise InputError(
                f"The controller {self.name!r} spreads its rates over the planned number of steps, which is unknown; "
                "give total_steps=."
            )
        return Rate(self.formula(info.step, info.horizon, hparams)), state


def progress(step: Tensor, horizon: Tensor, warmup: Tensor) -> Tensor:
    """How far the time after a warm-up has passed: (step − W) / (horizon − W), held at 0 before and at 1 after.

    Without a warm-up it is step / horizon, as in torch's schedulers: the last planned step is one short of the end.
    """
    start = warmup * horizon
    return ((step - start) / (horizon - start).clamp(min=1.0)).clamp(0.0, 1.0)


def plain_progress(warmup: Any) -> str:
    """`progress` as an expression of plain Python."""
    start = f"{warmup!r} * total_steps"
    return f"min(max((step - {start}) / max(total_steps - {start}, 1.0), 0.0), 1.0)"
