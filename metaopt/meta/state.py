"""The state of a meta-training, the progress that it reports, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from metaopt.contracts import Curve, Tensors
from metaopt.meta.estimators.contract import EstimatorState


@dataclass(frozen=True)
class MetaProgress:
    """How far a meta-training is.

    Attributes:
        iteration: iterations completed.
        num_iterations: planned.
        objective: mean meta-objective since the last report.
        gradient_norm: of the last estimate.
        skipped: iterations left out because their gradient was not finite.
        validation: the last validation, as the user's metric; NaN before the first.
        rate: iterations a second since the last report.
    """

    iteration: int
    num_iterations: int
    objective: float
    gradient_norm: float
    skipped: int
    validation: float
    rate: float


@dataclass(frozen=True)
class MetaTrained:
    """The result of a meta-training.

    Attributes:
        theta: learned weights, those of the best validation.
        curves: of each task, by name: validation and test values over iterations, lower is better.
        objectives: mean meta-objective between validations.
        skipped: iterations left out because their gradient was not finite.
        seconds: of all processes that worked on it.
    """

    theta: Tensors
    curves: Mapping[str, Curve]
    objectives: Sequence[float]
    skipped: int
    seconds: float


@dataclass
class MetaState:
    """Everything that changes; what a checkpoint holds."""

    theta: Tensors
    best: Tensors
    best_value: float = float("inf")
    iteration: int = 0
    skipped: int = 0
    seconds: float = 0.0
    steps: list[int] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)
    test: list[list[float]] = field(default_factory=list)
    objectives: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    states: list[EstimatorState] = field(default_factory=list)

    def to_document(self) -> dict[str, Any]:
        """Plain dicts, lists and detached tensors."""
        return {**vars(self), "theta": {name: weights.detach() for name, weights in self.theta.items()}}

    def restore(self, document: Mapping[str, Any], device: torch.device) -> None:
        """Take over what `to_document` gave; theta is written in place, for an optimizer holds it."""
        for key, value in document.items():
            if key != "theta":
                setattr(self, key, _placed(value, device))
        for name, weights in self.theta.items():
            weights.data.copy_(document["theta"][name])


def _placed(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: _placed(item, device) for key, item in value.items()}
    return [_placed(item, device) for item in value] if isinstance(value, list) else value
