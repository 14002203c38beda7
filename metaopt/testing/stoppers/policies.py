"""Stoppers under test: how the kit builds one from a spec, and the check of its first answers."""

import inspect
import json
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from metaopt.contracts import CurveBatch, Decision, Mode, Stopper
from metaopt.deploy import StopperConfiguration, build_stopper
from metaopt.plugin import Registry, StopperSpec
from metaopt.space import Value, encode
from metaopt.testing.answers import call_plugin, describe, require_answer
from metaopt.testing.errors import ConformanceError, NotApplicable, require
from metaopt.testing.location import where_it_returns
from metaopt.testing.samples import draws, edges
from metaopt.testing.stoppers.curves import HORIZON, curves, observations
from metaopt.testing.stoppers.fitted import signals_of, theta_of
from metaopt.testing.stoppers.signals import undeclared, watched


def answers_soundly(spec: StopperSpec) -> None:
    """It answers with a Decision, its state is plain JSON, a pure form gives booleans and reads declared signals."""
    values = draws(spec.space, 1)[0]
    if spec.fires is not None:
        for settings in (values, *settings_of(spec)):
            _require_declared(spec, settings)
    else:
        children: dict[str, Any] = {"stoppers": []} if spec.combines else {}
        _require_takes(spec.factory, {"mode": "min", **values, **children})
    stopper: Any = stopper_of(spec, values, "min")
    lacks = [
        name for name in ("observe", "state_dict", "load_state_dict") if not callable(getattr(stopper, name, None))
    ]
    claim = f"factory must return a stopper, got {describe(stopper)}, which lacks {', '.join(lacks)}."
    require(not lacks, claim, spec.factory)
    observe, state_dict = type(stopper).observe, type(stopper).state_dict
    for observation in observations(curves(signals_of(spec))[0], "min")[:4]:
        _require_sound(call_plugin(stopper.observe, "observation", observation), observe)
        state = call_plugin(stopper.state_dict, "")
        try:
            through_json(state)
        except (TypeError, ValueError) as error:
            message = f"state_dict must return plain JSON, without NaN, got {describe(state)}: {error}."
            raise ConformanceError(message, state_dict, where_it_returns(state_dict)) from None
        require_answer(type(state) is dict, f"state_dict must return a dict, got {describe(state)}.", state_dict)


def configuration(spec: StopperSpec, values: Mapping[str, Value]) -> StopperConfiguration:
    """The policy's configuration; a policy that combines others gets two of the kit's."""
    children = tuple(StopperConfiguration(child.name) for child in _CHILDREN) if spec.combines else ()
    return StopperConfiguration(spec.name, values, children, theta_of(spec))


def registry_with(spec: StopperSpec) -> Registry:
    """A registry that holds nothing but the policy and what it may combine."""
    registry = Registry()
    for policy in (spec, *_CHILDREN):
        registry.register(policy)
    return registry


_CHILDREN = (
    StopperSpec(name="kit_half", version="1", fires=lambda batch, hparams: batch.steps >= HORIZON / 2),
    StopperSpec(
        name="kit_rise",
        version="1",
        fires=lambda batch, hparams: batch.values > np.fmin.accumulate(batch.values, axis=-1) + 0.2,
    ),
)


def settings_of(spec: StopperSpec) -> list[dict[str, Value]]:
    """Hyperparameters to try a policy with."""
    return [*draws(spec.space, 4)[1:], *edges(spec.space).values()]


def stopper_of(spec: StopperSpec, values: Mapping[str, Value], mode: Mode) -> Stopper:
    """The policy as a training loop holds it."""
    return build_stopper(configuration(spec, values), mode=mode, registry=registry_with(spec))


def pure_form(spec: StopperSpec) -> Callable[[CurveBatch, Any], Any]:
    """The policy over arrays of curves; NotApplicable where it has none."""
    if spec.fires is None:
        raise NotApplicable(f"{spec.name} has no pure form.")
    return spec.pure(theta_of(spec))


def pure_answer(spec: StopperSpec, batch: CurveBatch, values: Mapping[str, Value]) -> Any:
    """What the pure form answers to hyperparameters that are numbers, checked to be booleans of shape (n, T)."""
    fires = call_plugin(pure_form(spec), "batch, hparams", batch, encode(spec.space, values), at=spec.fires)
    assert spec.fires is not None
    known = isinstance(fires, np.ndarray)
    received = f"an array of {fires.dtype} and of shape {fires.shape}" if known else describe(fires)
    require_answer(
        known and fires.dtype == np.bool_ and fires.shape == batch.values.shape,
        "Where hyperparameters are numbers, the pure form must return booleans of the shape of batch.values, (curves, "
        f"validations), here {batch.values.shape}; got {received}.",
        spec.fires,
    )
    return fires


def _require_declared(spec: StopperSpec, values: Mapping[str, Value]) -> None:
    batch = watched(CurveBatch.from_curves(curves(signals_of(spec))))
    try:
        pure_answer(spec, batch, values)
    except ConformanceError as error:
        missing = undeclared(spec, batch)
        if missing is not None:
            error.message += f" {missing.message}"
        raise
    missing = undeclared(spec, batch)
    if missing is not None:
        raise missing


def _require_takes(factory: Any, arguments: Mapping[str, Any]) -> None:
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        message = f"factory is called with ({', '.join(arguments)}) by keyword, which it does not take: {error}."
        raise ConformanceError(message, factory) from error
    except ValueError:  # a builtin, which has no signature
        pass


def _require_sound(decision: Any, observe: Callable[..., Any]) -> None:
    sound = isinstance(decision, Decision)
    require_answer(sound, f"observe must return a metaopt.Decision, got {describe(decision)}.", observe)
    kinds = {
        "stop": (bool | np.bool_, "True or False"),
        "reason": (str, "a string"),
        "best_step": (Integral | None, "a whole number or None"),
        "best_value": (Real | None, "a number or None"),
    }
    for name, (kind, expected) in kinds.items():
        value = getattr(decision, name)
        require_answer(isinstance(value, kind), f"Decision.{name} must be {expected}, got {describe(value)}.", observe)


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    """A state written to JSON and read again; TypeError or ValueError where it is no plain JSON."""
    loaded: dict[str, Any] = json.loads(json.dumps(state, allow_nan=False))
    return loaded
