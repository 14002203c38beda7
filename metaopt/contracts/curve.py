"""A recorded training run: what was seen at each validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InputError, known_keywords, one_line

Array: TypeAlias = NDArray[np.float64]


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class Curve:
    """Values at the validations of one run, oriented so that lower is better.

    Attributes:
        steps: steps completed at each validation, increasing, shape (T,).
        values: validation metric times its sign, shape (T,); NaN from where the run diverged.
        horizon: planned number of steps.
        test: test metric times its sign at the same moments, shape (T,); None where there is no test split.
        signals: further series of shape (T,) by name, such as `train_loss`.
        resampled: the metric of the kept checkpoint, times its sign, on examples drawn with replacement, shape (B,), by
            split: `"validation"`, `"test"`. Runs on the same examples share the draws, so that differences are paired.
            Empty where nobody asked, or where examples cannot be told apart. Kept to six digits, which ledgers write:
            what is decided by a run does not depend on whether it was just trained.
    """

    steps: Array
    values: Array
    horizon: int
    test: Array | None = None
    signals: Mapping[str, Array] = field(default_factory=dict)
    resampled: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", _series(self.steps))
        object.__setattr__(self, "values", _series(self.values))
        if self.test is not None:
            object.__setattr__(self, "test", _series(self.test))
        object.__setattr__(self, "signals", {key: _series(value) for key, value in self.signals.items()})
        object.__setattr__(self, "resampled", {key: _rounded(value) for key, value in self.resampled.items()})
        lengths = {len(series) for series in (self.steps, self.values, *self.signals.values())}
        if self.test is not None:
            lengths.add(len(self.test))
        if len(lengths) != 1:
            raise InputError(f"All series of a curve must have one length, got lengths {sorted(lengths)}.")
        if (self.steps[1:] <= self.steps[:-1]).any():
            raise InputError("The steps of a curve must increase.")

    def __repr__(self) -> str:
        """How long it is and its best value; of the series their names."""
        index = self.best_index()
        best = None if index is None else round(float(self.values[index]), 6)
        names = ["values", *(["test"] if self.test is not None else []), *self.signals]
        return one_line(self, validations=len(self.values), horizon=self.horizon, best=best, series=names)

    @property
    def diverged(self) -> bool:
        """Whether any validation was not finite, or there was none."""
        return len(self.values) == 0 or not bool(np.isfinite(self.values).all())

    def best_index(self, until: int | None = None) -> int | None:
        """Index of the lowest finite value among the first `until` validations, or None."""
        values = self.values[:until]
        finite = np.isfinite(values)
        return int(np.where(finite, values, np.inf).argmin()) if finite.any() else None

    def test_at_best(self, until: int | None = None) -> float:
        """Test value at the validation chosen as best, NaN where there is none."""
        index = self.best_index(until)
        return float("nan") if index is None or self.test is None else float(self.test[index])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; non-finite numbers become None."""
        document: dict[str, Any] = {
            "steps": [int(step) for step in self.steps],
            "values": _plain(self.values),
            "horizon": self.horizon,
        }
        if self.test is not None:
            document["test"] = _plain(self.test)
        document["signals"] = {key: _plain(value) for key, value in self.signals.items()}
        if self.resampled:
            document["resampled"] = {key: _plain(value) for key, value in self.resampled.items()}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Curve":
        """Inverse of `to_json`; None becomes NaN."""
        test = document.get("test")
        return cls(
            steps=_series(document["steps"]),
            values=_series(document["values"]),
            horizon=int(document["horizon"]),
            test=None if test is None else _series(test),
            signals={key: _series(value) for key, value in document.get("signals", {}).items()},
            resampled={key: _series(value) for key, value in document.get("resampled", {}).items()},
        )


def _series(values: Sequence[float | None] | Array) -> Array:
    return np.asarray(values, dtype=np.float64).reshape(-1)


def _rounded(values: Sequence[float | None] | Array) -> Array:
    """Six digits of each: an estimate of noise needs no more."""
    return np.asarray([float(f"{value:.6g}") for value in _series(values)], dtype=np.float64)


def _plain(values: Array) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
