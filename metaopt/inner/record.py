"""Curves of a population as they grow."""

import numpy as np
import torch
from torch import Tensor

from metaopt.contracts import Curve


class Record:
    """Series of all members that grow at each validation."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._series: dict[str, list[Tensor]] = {"validation": [], "test": [], "train_loss": []}

    @property
    def last_step(self) -> int:
        """Steps completed at the last validation; 0 before the first."""
        return self._steps[-1] if self._steps else 0

    def add(self, step: int, validation: Tensor, test: Tensor, train_loss: Tensor) -> None:
        """Note a validation.

        Args:
            step: steps completed.
            validation: values of shape (members,), lower is better.
            test: likewise.
            train_loss: mean since the last validation, shape (members,).
        """
        self._steps.append(step)
        for name, value in (("validation", validation), ("test", test), ("train_loss", train_loss)):
            self._series[name].append(value.detach().to("cpu", torch.float64))

    def curves(self, horizon: int) -> list[Curve]:
        """One curve for each member."""
        arrays = {name: torch.stack(series, dim=1).numpy() for name, series in self._series.items()}
        return [
            Curve(
                steps=np.asarray(self._steps, dtype=np.float64),
                values=arrays["validation"][row],
                horizon=horizon,
                test=arrays["test"][row],
                signals={"train_loss": arrays["train_loss"][row]},
            )
            for row in range(len(arrays["validation"]))
        ]
