from collections.abc import Callable, Sequence
from typing import Any

import pytest

import metaopt
from metaopt.space import resolve
from metaopt.testing.stoppers.fitted import theta_of


def _create(spec: metaopt.StopperSpec, mode: str = "min", **hparams: Any) -> metaopt.ThresholdStopper:
    theta = theta_of(spec)
    values = resolve(spec.space, hparams, spec.name)
    pure, required = spec.pure(theta), spec.required(values)
    return metaopt.ThresholdStopper(spec.name, pure, values, mode, required, spec.space, theta, spec.uses)


def _stop_at(
    spec: metaopt.StopperSpec,
    values: Sequence[Any],
    *,
    horizon: int | None = None,
    every: int = 10,
    signals: Sequence[dict[str, float]] | None = None,
    mode: str = "min",
    **hparams: Any,
) -> int | None:
    stopper = _create(spec, mode, **hparams)
    for number, value in enumerate(values, start=1):
        own = signals[number - 1] if signals else {}
        if stopper.observe(metaopt.Observation(number * every, value, horizon, own)).stop:
            return number
    return None


@pytest.fixture(scope="session")
def create() -> Callable[..., metaopt.ThresholdStopper]:
    """A stopper of a spec with a pure form: `create(spec, mode="min", **hparams)`."""
    return _create


@pytest.fixture(scope="session")
def stop_at() -> Callable[..., int | None]:
    """Number of the validation at which a stopper says stop, the first being 1, or None: `stop_at(spec, values, …)`."""
    return _stop_at
