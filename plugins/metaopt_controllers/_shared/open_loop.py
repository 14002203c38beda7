"""Controllers whose rate is a formula of the step, the horizon and the hyperparameters, and of nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

from torch import Tensor

from metaopt import InputError, Rate, StepInfo, TensorHparams, TensorState

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
