"""Curves of a population as they grow."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from metaopt.contracts import Curve


class CurveRecorder:
    """Series of all members that grow at each validation.

    Args:
        signals: names of the signals that each validation comes with.
    """

    def __init__(self, signals: Iterable[str] = ("train_loss",)) -> None:
        self._steps: list[int] = []
        self._signals = tuple(signals)
        self._series: dict[str, list[Tensor]] = {name: [] for name in ("validation", "test", *self._signals)}

    @property
    def last_step(self) -> int:
        """Steps completed at the last validation; 0 before the first."""
        return self._steps[-1] if self._steps else 0

    def add(self, step: int, validation: Tensor, test: Tensor, **signals: Tensor) -> None:
        """Record a validation.

        Args:
            step: steps completed.
            validation: values of shape (members,), lower is better.
            test: likewise.
            **signals: such as `train_loss`, the mean since the last validation; shape (members,).
        """
        self._steps.append(step)
        for name, value in {"validation": validation, "test": test, **signals}.items():
            self._series[name].append(value.detach().to("cpu", torch.float64))

    def curves(self, horizon: int, resampled: Mapping[str, Tensor] | None = None) -> list[Curve]:
        """One curve for each member.

        Args:
            horizon: planned number of steps.
            resampled: see `Curve`, with a leading axis of members.
        """
        draws = {name: values.double().numpy() for name, values in (resampled or {}).items()}
        arrays = {name: torch.stack(series, dim=1).numpy() for name, series in self._series.items()}
        return [
            Curve(
                steps=np.asarray(self._steps, dtype=np.float64),
                values=arrays["validation"][row],
                horizon=horizon,
                test=arrays["test"][row],
                signals={name: arrays[name][row] for name in self._signals},
                resampled={name: values[row] for name, values in draws.items() if np.isfinite(values[row]).all()},
            )
            for row in range(len(arrays["validation"]))
        ]
