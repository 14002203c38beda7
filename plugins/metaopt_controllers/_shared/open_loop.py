"""Controllers whose rate is a formula of the step, the horizon and the hyperparameters, and of nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

from torch import Tensor

from metaopt import InputError, Rate, StepInfo

#: `(step, horizon, hparams) -> multiplier of lr`, all 0-d.
Formula: TypeAlias = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Tensor]


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

    def init(self, hparams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Nothing to remember."""
        return {}

    def update(
        self, state: dict[str, Tensor], info: StepInfo, hparams: Mapping[str, Tensor]
    ) -> tuple[Rate, dict[str, Tensor]]:
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
