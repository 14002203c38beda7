"""What a stopper that is fitted to recorded curves must do in addition to what every stopper must."""

from functools import cache

import numpy as np

from metaopt.contracts import CurveBatch, Fit, StopperTheta
from metaopt.plugin import StopperSpec
from metaopt.testing.errors import NotApplicable, require
from metaopt.testing.stoppers.curves import curves

_MOST = 1000


def fits_curves(spec: StopperSpec) -> None:
    """Fitting is pure, gives a few hundred finite numbers, and takes any population: one curve, failures, two kinds."""
    if spec.fit is None:
        raise NotApplicable(f"{spec.name} is not fitted to curves.")
    whole = CurveBatch.from_curves(curves(signals_of(spec)))
    num_curves = len(whole.values)
    populations = {
        "all of the kit's curves": [whole],
        "one curve": [whole.rows(np.asarray([0]))],
        "one whose values are all NaN": [whole.rows(np.asarray([num_curves - 3]))],
        "curves of both directions": [whole, CurveBatch(whole.values, whole.steps, whole.horizon, sign=-1.0)],
    }
    for label, batches in populations.items():
        first, again = (spec.learned(spec.fit(batches, np.random.default_rng(7))) for _ in range(2))
        same = all(np.array_equal(first[name], again[name]) for name in first)
        require(same, f"Fitted to {label} twice, theta differs: draw from the generator alone.", spec.fit)
        count = sum(array.size for array in first.values())
        most = f"Fitted to {label}, theta has {count} numbers; recipes hold at most {_MOST}."
        require(count <= _MOST, most, spec.fit)


def theta_of(spec: StopperSpec) -> StopperTheta:
    """The weights that the policy learns from the kit's curves; empty where it learns nothing."""
    return {} if spec.fit is None else _fitted(spec.fit, tuple(signals_of(spec)))


@cache
def _fitted(fit: Fit, signals: tuple[str, ...]) -> StopperTheta:
    return fit([CurveBatch.from_curves(curves(signals))], np.random.default_rng(0))


def signals_of(spec: StopperSpec) -> list[str]:
    """Signals that the policy may require or use, without the horizon, which is a field of every observation."""
    return sorted({*spec.requires, *spec.requires_when, *spec.uses} - {"horizon"})
