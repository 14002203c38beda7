"""The contract of a learning-rate controller: one pure function from what is known to a rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from metaopt.contracts.step_info import StepInfo
from metaopt.errors import known_keywords

ControllerState: TypeAlias = dict[str, Tensor]

#: `table`: the rate depends on step and horizon alone, and is computed once for all steps;
#: `step`: asked before every step; `validation`: asked after every validation, and holds in between.
Cadence: TypeAlias = Literal["table", "step", "validation"]


@known_keywords()
@dataclass(frozen=True, slots=True)
class Rate:
    """A learning rate.

    Attributes:
        value: 0-d tensor for all parameters, or one for each parameter's name.
        absolute: False if `value` multiplies the optimizer's `lr`, True if it replaces it.
    """

    value: Tensor | Mapping[str, Tensor]
    absolute: bool = False


@runtime_checkable
class Controller(Protocol):
    """A learning-rate policy as pure functions of tensors (the same rules as for a `Rule`)."""

    def init(self, hparams: Mapping[str, Tensor]) -> ControllerState:
        """State before the first step; a dict of tensors, empty for open-loop controllers."""
        ...

    def update(
        self, state: ControllerState, info: StepInfo, hparams: Mapping[str, Tensor]
    ) -> tuple[Rate, ControllerState]:
        """Rate for the step described by `info`, and the new state with unchanged keys and shapes."""
        ...
