"""Calls a plugin's own functions one at a time and checks what they return, so that a mistake is named in its place."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import SIGNALS, Hparams, PerTensorRule, State, SteeringRule, StepInfo, Tensors
from metaopt.errors import MissingDataError
from metaopt.testing.errors import ConformanceError
from metaopt.testing.location import locate, where_it_returns
from metaopt.testing.rules.subject import HORIZON, Subject, hparams_for, step_info
from metaopt.testing.samples import gradients


def call_plugin(
    function: Callable[..., Any],
    names: str,
    *arguments: Any,
    inputs: str = "",
    at: Callable[..., Any] | None = None,
) -> Any:
    """Call a plugin's function and return what it returns.

    Args:
        function: the plugin's function.
        names: its parameters as the contract calls them, separated by commas, for the message.
        arguments: what the function is called with.
        inputs: what is special about the arguments, such as `"a tensor of shape (0, 3)"`.
        at: the plugin's own function, where `function` is a wrapper around it.

    Raises:
        ConformanceError: the function does not take these arguments, or raises.
    """
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        called = f"with ({names})" if names else "without arguments"
        message = f"{_name(function)} is called {called}, which it does not take: {error}."
        raise ConformanceError(message, at or function) from error
    except ValueError:  # a builtin, which has no signature
        pass
    try:
        return function(*arguments)
    except (ConformanceError, MissingDataError):
        raise
    except (Exception, SystemExit) as error:
        raised = f"It raised {describe_error(error)[:-1]}{f' (given {inputs})' if inputs else ''}."
        message = f"{raised}{_undeclared(function, arguments, error)}"
        raise ConformanceError(message, at or function, locate(at or function, error.__traceback__)) from error


def _undeclared(function: Callable[..., Any], arguments: tuple[Any, ...], error: BaseException) -> str:
    """The advice to declare a signal, where the function failed because the signal was missing; empty otherwise."""
    name = next((signal for signal in ("loss", "horizon") if _works_with(signal, function, arguments)), None)
    if isinstance(error, KeyError) and error.args[:1] and error.args[0] in SIGNALS:
        name = error.args[0]
    return "" if name is None else f' Declare requires={{"{name}"}} in the spec: what nobody requires is not supplied.'


def _works_with(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    """Whether a function that failed works once the signal `name`, the loss or the horizon, is supplied."""
    known: Any = torch.ones(())
    filled = [
        replace(argument, **{name: known})
        if isinstance(argument, StepInfo) and getattr(argument, name) is None
        else (known if argument is None and name == "horizon" else argument)
        for argument in arguments
    ]
    if all(argument is original for argument, original in zip(filled, arguments, strict=True)):
        return False
    try:
        function(*filled)
    except (Exception, SystemExit):
        return False
    return True


def describe_error(error: BaseException) -> str:
    """Type and message of an error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": .") + "."


def require_answer(holds: bool, message: str, function: Callable[..., Any]) -> None:
    """Raise ConformanceError unless `holds`, at the line where the function returns."""
    if not holds:
        raise ConformanceError(message, function, where_it_returns(function))


def require_tensors(values: Any, what: str, function: Callable[..., Any]) -> None:
    """Raise ConformanceError unless a function returned a plain dict of tensors by name."""
    require_answer(type(values) is dict, f"{what} must be a dict of tensors by name, got {describe(values)}.", function)
    for key, value in values.items():
        known = isinstance(key, str) and isinstance(value, Tensor)
        require_answer(known, f"{what} must be a dict of tensors by name, got {describe(value)} for {key!r}.", function)


def require_pair(values: Any, what: str, function: Callable[..., Any]) -> None:
    """Raise ConformanceError unless a function returned a tuple of two."""
    pair = isinstance(values, tuple) and len(values) == 2
    require_answer(pair, f"{_name(function)} must return ({what}), got {describe(values)}.", function)


def require_same_state(new: Any, old: Tensors, function: Callable[..., Any], maker: str = "init") -> None:
    """Raise ConformanceError unless a new state has the keys and shapes that `init` gave it."""
    name = _name(function)
    require_tensors(new, f"The state that {name} returns", function)
    keys = [f"{{{', '.join(sorted(state))}}}" for state in (new, old)]
    require_answer(
        new.keys() == old.keys(), f"{name} returned the state keys {keys[0]}, {maker} made {keys[1]}.", function
    )
    for key, value in new.items():
        shapes = tuple(value.shape), tuple(old[key].shape)
        require_answer(
            shapes[0] == shapes[1],
            f"{name} returned the state {key!r} of shape {shapes[0]}, {maker} made it of shape {shapes[1]}.",
            function,
        )


def require_same_dtypes(new: Tensors, old: Tensors, param: Tensor, function: Callable[..., Any]) -> None:
    """Raise ConformanceError unless a new state has the dtypes that `init` gave it.

    A rule of tensors keeps those by itself, so that a wider dtype that follows from the parameter's or from float32
    hyperparameters is no mistake; another one rounds, or is computed for nothing.
    """
    wider = torch.float32, param.dtype, torch.promote_types(torch.float32, param.dtype)
    for key, value in new.items():
        made = old[key].dtype
        floating = made.is_floating_point or made.is_complex
        kept = {made, *(torch.promote_types(made, dtype) for dtype in wider if floating)}
        require_answer(
            value.dtype in kept,
            f"{_name(function)} returned the state {key!r} in {value.dtype}, init made it in {made}.",
            function,
        )


def describe(value: Any) -> str:
    """The type of a value for a message, and its content where that is short."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value))})" if len(value) <= 4 else f"a tuple of {len(value)}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {sorted(map(str, value))!r:.60}"
    if value is None:
        return "None"
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__name__}"
    article = "an" if name[0] in "aeiou" else "a"
    return f"{article} {name}" + (f" ({value!r:.40})" if kind in (bool, int, float, str) else "")


def check_tensor_functions(assembly: Assembly, rule: PerTensorRule, params: Tensors, theta: Tensors) -> None:
    """Raise ConformanceError unless the functions passed to `per_tensor` return what the contract asks for."""
    horizon = torch.tensor(float(HORIZON))
    grads = gradients(params, 1)[0]
    info = _with_signals(rule, step_info(assembly, torch.tensor(0.0), horizon, grads), theta, horizon)
    hparams = hparams_for(assembly, params)
    for name, param in params.items():
        inputs = f"a tensor of shape {tuple(param.shape)} and {param.dtype}"
        own = hparams[name]
        state = call_plugin(rule.init_one, "param, hparams, theta, horizon", param, own, theta, horizon, inputs=inputs)
        require_tensors(state, f"What {_name(rule.init_one)} returns", rule.init_one)
        new = _stepped(rule, grads[name], state, param, own, theta, info, inputs)
        if rule.idle_one is not None:
            arguments = new, param, own, info
            idle = call_plugin(rule.idle_one, "state, param, hparams, info", *arguments, inputs=inputs)
            require_same_state(idle, state, rule.idle_one)
            require_same_dtypes(idle, state, param, rule.idle_one)
        if rule.evaluate_one is not None:
            evaluated = call_plugin(rule.evaluate_one, "param, state, hparams", param, new, own, inputs=inputs)
            _require_like(evaluated, param, "What evaluation returns", rule.evaluate_one)


def _with_signals(rule: PerTensorRule, info: StepInfo, theta: Tensors, horizon: Tensor) -> StepInfo:
    if rule.shared is None:
        return info
    init, update = rule.shared
    state = call_plugin(init, "theta, horizon", theta, horizon)
    require_tensors(state, "What shared's first function returns", init)
    answer = call_plugin(update, "state, theta, info", state, theta, info)
    require_pair(answer, "signals, new_state", update)
    require_tensors(answer[0], "The signals", update)
    require_same_state(answer[1], state, update, "shared's first function")
    return rule.prepare(state, theta, info)[0]


def _stepped(
    rule: PerTensorRule, grad: Tensor, state: Tensors, param: Tensor, hparams: Any, theta: Any, info: Any, inputs: str
) -> Tensors:
    """The state after a step, in the dtypes that the rule keeps."""
    names, arguments = "grad, state, param, hparams, theta, info", (grad, state, param, hparams, theta, info)
    function = rule.update_one
    if rule.measure_one is None:
        answer = call_plugin(function, names, *arguments, inputs=inputs)
        require_pair(answer, "update, new_state", function)
        update, new = answer
        require_same_state(new, state, function)
        require_same_dtypes(new, state, param, function)
    elif not grad.numel():
        return state  # tensors without elements are not measured
    else:
        answer = call_plugin(rule.measure_one, names, *arguments, inputs=inputs)
        require_pair(answer, "measured, new_state", rule.measure_one)
        measured, new = answer
        require_tensors(measured, "What is measured", rule.measure_one)
        require_same_state(new, state, rule.measure_one)
        require_same_dtypes(new, state, param, rule.measure_one)
        update = call_plugin(function, f"{names}, measured", grad, new, *arguments[2:], measured, inputs=inputs)
    _require_like(update, param, "The update", function)
    finite = bool(torch.isfinite(update).all())
    require_answer(finite, f"The update is not finite, given {inputs} and a gradient that are.", function)
    return {key: value.to(state[key].dtype) for key, value in new.items()}


def _require_like(value: Any, param: Tensor, what: str, function: Callable[..., Any]) -> None:
    require_answer(isinstance(value, Tensor), f"{what} must be a tensor, got {describe(value)}.", function)
    shapes = tuple(value.shape), tuple(param.shape)
    require_answer(
        shapes[0] == shapes[1], f"{what} has shape {shapes[0]}, but the parameter has {shapes[1]}.", function
    )


def check_steering(
    rule: SteeringRule, grads: Tensors, state: State, params: Tensors, hparams: Hparams, theta: Tensors, info: StepInfo
) -> None:
    """Raise ConformanceError unless `steer` returns what the contract asks for."""
    own, steer = rule.split(state)[1], type(rule).steer
    names = "grads, own, params, hparams, theta, info"
    answer = call_plugin(rule.steer, names, grads, own, params, hparams, theta, info)
    require_pair(answer, "hparams, own", steer)
    steered, new = answer
    of_each = isinstance(steered, Mapping) and steered.keys() >= params.keys()
    require_answer(of_each, f"steer must return hyperparameters for each name, got {describe(steered)}.", steer)
    for name in params:
        lost = sorted(hparams[name].keys() - steered[name].keys())
        require_answer(not lost, f"steer left out the hyperparameters {lost} of {name!r}.", steer)
    whole = isinstance(new, Mapping) and new.keys() == {"tensors", "shared"}
    require_answer(
        whole, f"steer must return the state as {{'tensors': ..., 'shared': ...}}, got {describe(new)}.", steer
    )
    for part, old in (("shared", own["shared"]), *own["tensors"].items()):
        require_same_state(new["shared"] if part == "shared" else new["tensors"].get(part), old, steer, "own_state")


def require_wraps(subject: Subject) -> None:
    """Raise ConformanceError unless the wrappers of a subject make rules of rules."""
    rule: Any = subject.optimizer.rule
    for spec in subject.wrappers:
        rule = call_plugin(spec.wrap, "rule", rule)
        needed = ("granularity", "init", "update", "start", "evaluation_params")
        lacks = ", ".join(name for name in needed if not hasattr(rule, name))
        require_answer(not lacks, f"wrap must return a rule, got {describe(rule)}, which lacks {lacks}.", spec.wrap)


def _name(function: Callable[..., Any]) -> str:
    name = str(getattr(function, "__name__", type(function).__name__)).lstrip("_")
    return "The function" if name == "<lambda>" else name
