"""Curves of runs that the kit tries stoppers on."""

from collections.abc import Sequence

import numpy as np

from metaopt.contracts import Array, Curve, Mode, Observation

HORIZON = 240
NUM_VALIDATIONS = 24


def curves(signals: Sequence[str]) -> list[Curve]:
    """Curves that improve, level off, overfit, jump, fail and diverge; lower is better in all of them."""
    source = np.random.default_rng(0)
    time = np.arange(NUM_VALIDATIONS, dtype=np.float64)
    noise = 0.05 * source.standard_normal((4, NUM_VALIDATIONS))
    decay = np.exp(-time / 6)
    series: list[Array] = [
        decay,
        decay + noise[0],
        np.maximum(decay, 0.2),
        decay + 0.1 * np.maximum(time - 8, 0) + noise[1],
        1.5 ** np.maximum(time, 5),
        -10 + 5 * decay + noise[2],
        np.zeros_like(time),
        np.where(time % 5 == 3, np.nan, decay + noise[3]),
        np.where(time > 9, np.nan, decay),
        np.where(time == 4, np.inf, 1 - decay),
        np.full_like(time, np.nan),
        np.where(time == 12, 1e20, decay),
        decay[:3],
    ]
    return [_curve(values, source, signals) for values in series]


def _curve(values: Array, source: np.random.Generator, signals: Sequence[str]) -> Curve:
    steps = np.arange(1, len(values) + 1, dtype=np.float64) * (HORIZON // NUM_VALIDATIONS)
    recorded = {name: np.exp(-steps / 60) + 0.1 * source.random(len(values)) for name in signals}
    return Curve(steps=steps, values=values, horizon=HORIZON, signals=recorded)


def observations(curve: Curve, mode: Mode) -> list[Observation]:
    """What a loop observes during a run, in the user's orientation."""
    return [
        Observation(
            step=int(step),
            value=sign(mode) * float(value),
            horizon=curve.horizon,
            signals={name: float(series[index]) for name, series in curve.signals.items()},
        )
        for index, (step, value) in enumerate(zip(curve.steps, curve.values, strict=True))
    ]


def sign(mode: Mode) -> float:
    """+1 or -1: the factor from the curve's value to the user's."""
    return 1.0 if mode == "min" else -1.0


def describe_curve(curve: Curve) -> str:
    """The first values of a curve, for messages."""
    return "the curve [" + ", ".join(f"{value:.3g}" for value in curve.values[:6]) + ", ...]"
