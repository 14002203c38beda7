"""What every early-stopping policy must do."""

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metaopt.contracts import (
    Curve,
    CurveBatch,
    Decision,
    Mode,
    Observation,
    Stopper,
    ThresholdStopper,
    first_stop,
)
from metaopt.errors import InputError
from metaopt.plugin import StopperSpec
from metaopt.space import Float, Space, Value, encode
from metaopt.testing.errors import ConformanceError, require
from metaopt.testing.samples import draws
from metaopt.testing.stoppers.curves import HORIZON, NUM_VALIDATIONS, curves, describe_curve, observations, sign
from metaopt.testing.stoppers.fitted import fits_curves, signals_of
from metaopt.testing.stoppers.policies import (
    answers_soundly,
    pure_answer,
    pure_form,
    settings_of,
    stopper_of,
    through_json,
)

MODES: tuple[Mode, ...] = ("min", "max")
_STRANGE: tuple[Any, ...] = (None, "bad", math.nan, math.inf, -math.inf, "nan", True, [], object())


def follows_its_pure_form(spec: StopperSpec) -> None:
    """Observing one by one stops where the pure form over whole curves says, alone or beside other curves."""
    for values in settings_of(spec):
        for mode in MODES:
            recorded = curves(signals_of(spec))
            first_stops = first_stop(pure_answer(spec, CurveBatch.from_curves(recorded, sign(mode)), values))
            for curve, expected in zip(recorded, first_stops.tolist(), strict=True):
                stops = [decision.stop for decision in _watched(stopper_of(spec, values, mode), curve, mode)]
                actual = stops.index(True) if True in stops else len(stops)
                require(
                    actual == min(expected, len(stops)),
                    f"With {values} and mode={mode!r}, observing {describe_curve(curve)} stops at validation {actual}, "
                    f"the pure form at {expected}.",
                    spec.fires,
                )


def takes_many_policies(spec: StopperSpec) -> None:
    """The pure form takes hyperparameters of shape (policies, 1, 1) and gives each policy its own answer."""
    batch, settings = CurveBatch.from_curves(curves(signals_of(spec))), settings_of(spec)
    numbers = [encode(spec.space, values) for values in settings]
    stacked = {name: np.asarray([encoded[name] for encoded in numbers]).reshape(-1, 1, 1) for name in spec.space}
    together = pure_form(spec)(batch, stacked)
    shape = (len(settings), *batch.values.shape)
    message = (
        "Where hyperparameters have shape (policies, 1, 1), the pure form must return the shape (policies, curves, "
        f"validations), here {shape}; got {together.shape}."
    )
    require(not spec.space or together.shape == shape, message, spec.fires)
    for values, answer in zip(settings, np.broadcast_to(together, shape), strict=True):
        alone = pure_answer(spec, batch, values)
        require(bool((alone == answer).all()), f"{values} answers differently beside other policies.", spec.fires)


def is_causal(spec: StopperSpec) -> None:
    """What comes later never changes an earlier decision."""
    batch = CurveBatch.from_curves(curves(signals_of(spec)))
    for values in settings_of(spec):
        whole = pure_answer(spec, batch, values)
        for length in range(1, NUM_VALIDATIONS):
            early = CurveBatch(
                values=batch.values[:, :length],
                steps=batch.steps[:, :length],
                horizon=batch.horizon,
                signals={name: series[:, :length] for name, series in batch.signals.items()},
            )
            changed = pure_answer(spec, early, values) != whole[:, :length]
            require(
                not changed.any(),
                f"With {values}, decisions at validations {np.unique(np.nonzero(changed)[1]).tolist()} change once "
                f"later values than {length} are known.",
                spec.fires,
            )


def resumes(spec: StopperSpec) -> None:
    """A state in plain JSON, taken at any moment, continues with the same decisions."""
    for values in settings_of(spec)[:3]:
        for mode in MODES:
            for curve in curves(signals_of(spec))[::3]:
                stopper = stopper_of(spec, values, mode)
                expected = _watched(stopper_of(spec, values, mode), curve, mode)
                for index, observation in enumerate(observations(curve, mode)):
                    resumed = stopper_of(spec, values, mode)
                    resumed.load_state_dict(through_json(stopper.state_dict()))
                    decisions = [resumed.observe(later) for later in observations(curve, mode)[index:]]
                    require(
                        decisions == expected[index:],
                        f"With {values}, resumed at validation {index}, it decides otherwise: "
                        f"{_first_difference(decisions, expected[index:])}",
                        spec.fires or spec.factory,
                    )
                    stopper.observe(observation)


def never_raises(spec: StopperSpec) -> None:
    """Whatever the value (None, text, NaN, infinite), the horizon and the signals, it decides and does not raise."""
    for values in settings_of(spec):
        for mode in MODES:
            stopper = stopper_of(spec, values, mode)
            for index, strange in enumerate((1.0, *_STRANGE, 0.5, *_STRANGE[::-1])):
                for horizon in (None, HORIZON, 1):
                    signals: Any = dict.fromkeys(signals_of(spec), strange) if index % 2 else {}
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # the policy may warn that a signal is missing
                        decision = stopper.observe(Observation(index + 1, strange, horizon, signals))
                    require(isinstance(decision, Decision), f"observe returned {decision!r}, not a metaopt.Decision.")
            json.dumps(stopper.state_dict(), allow_nan=False)


def keeps_its_word(spec: StopperSpec) -> None:
    """Once it has said stop it keeps saying so for the same reason; before, it gives none."""
    for _, _, _, decisions in _runs(spec):
        stops = [decision.stop for decision in decisions]
        first = stops.index(True) if True in stops else len(stops)
        require(all(stops[first:]), f"It said stop at validation {first} and took it back.")
        reasons = {decision.reason for decision in decisions[first:]}
        require(len(reasons) <= 1, f"It changed its reason: {sorted(reasons)}.")
        require(all(reasons), f"It said stop at validation {first} without a reason.")
        early = {decision.reason for decision in decisions[:first]} - {""}
        require(not early, f"It gave a reason before it said stop: {sorted(early)}.")


def knows_the_best(spec: StopperSpec) -> None:
    """Step and value of the best finite observation so far come with every decision."""
    for values, mode, curve, decisions in _runs(spec):
        finite_values: dict[int, float] = {}
        for observation, decision in zip(observations(curve, mode), decisions, strict=True):
            if math.isfinite(observation.value):
                finite_values[observation.step] = observation.value
            best = (min if mode == "min" else max)(finite_values.values(), default=None)
            there = None if decision.best_step is None else finite_values.get(decision.best_step)
            require(
                decision.best_value == best and there == best,
                f"With {values} and mode={mode!r} after step {observation.step} of {describe_curve(curve)}: "
                f"best_step={decision.best_step}, best_value={decision.best_value}, expected {best}.",
                spec.factory,
            )
            if decision.stop:
                break


def refuses_foreign_states(spec: StopperSpec) -> None:
    """The state of another policy, of the other mode, or of nothing is refused with an InputError."""
    values = draws(spec.space, 1)[0]
    own = stopper_of(spec, values, "max").state_dict()
    foreign = ThresholdStopper("kit_other", lambda batch, hparams: batch.values > 0, {}).state_dict()
    for label, state in {"another policy": foreign, "the other mode": own, "nothing": {}}.items():
        try:
            stopper_of(spec, values, "min").load_state_dict(state)
        except InputError:
            continue
        raise ConformanceError(f"It loaded the state of {label}; raise metaopt.InputError.", spec.factory)


def modes_mirror(spec: StopperSpec) -> None:
    """Turned upside down, a curve stops at the same validation under the other mode."""
    for values in settings_of(spec):
        for curve in curves(signals_of(spec)):
            expected = [decision.stop for decision in _watched(stopper_of(spec, values, "min"), curve, "min")]
            # A hyperparameter in the metric's own units, such as a target, turns upside down with it.
            mirrored_stops = [
                [decision.stop for decision in _watched(stopper_of(spec, mirrored, "max"), curve, "max")]
                for mirrored in _mirrored(spec.space, values)
            ]
            require(
                expected in mirrored_stops,
                f"With {values}, {describe_curve(curve)} stops at {_index(expected)} under 'min', and upside down "
                f"under 'max' at {_index(mirrored_stops[0])}.",
                spec.fires or spec.factory,
            )


CHECKS: tuple[Callable[[StopperSpec], None], ...] = (
    answers_soundly,
    follows_its_pure_form,
    takes_many_policies,
    is_causal,
    resumes,
    never_raises,
    keeps_its_word,
    knows_the_best,
    refuses_foreign_states,
    modes_mirror,
    fits_curves,
)


def _runs(spec: StopperSpec) -> list[tuple[dict[str, Value], Mode, Curve, list[Decision]]]:
    return [
        (values, mode, curve, _watched(stopper_of(spec, values, mode), curve, mode))
        for values in settings_of(spec)
        for mode in MODES
        for curve in curves(signals_of(spec))
    ]


def _watched(stopper: Stopper, curve: Curve, mode: Mode) -> list[Decision]:
    return [stopper.observe(observation) for observation in observations(curve, mode)]


def _mirrored(space: Space, values: Mapping[str, Value]) -> list[dict[str, Value]]:
    mirrored = [dict(values)]
    for name, distribution in space.items():
        value = values[name]
        if isinstance(distribution, Float) and -float(value) in distribution.domain:
            mirrored.append({**values, name: -float(value)})
    return mirrored


def _first_difference(actual: Sequence[Decision], expected: Sequence[Decision]) -> str:
    pairs = zip(actual, expected, strict=True)
    return next((f"{mine} instead of {theirs}." for mine, theirs in pairs if mine != theirs), "")


def _index(stops: Sequence[bool]) -> str:
    return f"validation {list(stops).index(True)}" if True in stops else "no validation"
