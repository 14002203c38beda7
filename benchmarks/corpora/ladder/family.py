"""A family of a ladder: one architecture on one data set, at a middle size and one axis away from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import nn

import metaopt

#: Axes of a family: what a model is given, what its data depend on too, and the budget.
OF_DATA, OF_BUDGET = ("context", "vocabulary"), ("batch", "horizon")
AXES = ("width", "depth", *OF_DATA, *OF_BUDGET)
MIDDLE = "middle"
#: Widths are multiples of this: of a number of heads, or of groups.
MULTIPLE = 4


@dataclass(frozen=True)
class Family:
    """Tasks of one family.

    Attributes:
        name: of the family.
        model: makes a model from the middle's axes but the budget, by keyword.
        data: makes splits from `context` and `vocabulary`, where the middle has them, by keyword.
        middle: a whole number for each axis, `batch` and `horizon` among them.
        factors: by axis, how many times the middle's number; one task each.
        loss: of its tasks.
        num_validations: of its tasks.
    """

    name: str
    model: Callable[..., nn.Module]
    data: Callable[..., metaopt.Splits]
    middle: Mapping[str, int]
    factors: Mapping[str, Sequence[float]]
    loss: Callable[..., object] = F.cross_entropy
    num_validations: int = 10

    def tasks(self) -> list[metaopt.Task]:
        """The middle, then one axis at a time."""
        rungs = [(axis, factor) for axis, factors in self.factors.items() for factor in factors]
        return [
            self._task(f"{self.name}_{MIDDLE}", self.middle),
            *(
                self._task(f"{self.name}_{axis}_{factor:g}", {**self.middle, axis: round(factor * self.middle[axis])})
                for axis, factor in rungs
            ),
        ]

    def _task(self, name: str, numbers: Mapping[str, int]) -> metaopt.Task:
        of_model = {axis: number for axis, number in numbers.items() if axis not in OF_BUDGET}
        of_data = {axis: number for axis, number in numbers.items() if axis in OF_DATA}
        return metaopt.Task(
            name=name,
            family=self.name,
            model=partial(self.model, **of_model),
            data=partial(self.data, **of_data),
            loss=self.loss,
            batch_size=numbers["batch"],
            num_steps=numbers["horizon"],
            num_validations=self.num_validations,
            widened=partial(widened, self.model, of_model),
        )


def widened(model: Callable[..., nn.Module], numbers: Mapping[str, int], times: float) -> nn.Module:
    """The model at so many times the width."""
    return model(**{**numbers, "width": MULTIPLE * round(times * numbers["width"] / MULTIPLE)})


def axis_of(task: metaopt.Task) -> tuple[str, float]:
    """Axis and factor by which a task differs from its family's middle, by its name; `("", 1.0)` of the middle."""
    axis, _, factor = task.name.removeprefix(f"{task.family}_").rpartition("_")
    return (axis, float(factor)) if axis else ("", 1.0)
