"""What every learning-rate controller must do."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from metaopt.contracts import ControllerState, Rate, StepInfo, TensorHparams, Tensors
from metaopt.plugin import ControllerSpec
from metaopt.seeding import seeded
from metaopt.space import Value, encode
from metaopt.testing.answers import call_plugin, describe, require_answer, require_same_state, require_tensors
from metaopt.testing.comparison import flat, require_close, require_finite, require_same, require_same_layout
from metaopt.testing.errors import ConformanceError, NotApplicable, require
from metaopt.testing.rules.stacking import explain, stacked, unstacked
from metaopt.testing.samples import draws, edges
from metaopt.testing.watch import DrawGuard, WriteGuard, read_only, tensors_in

#: Planned numbers of steps to try; even the shortest run must train.
HORIZONS = (1, 2, 10, 100)


def is_pure(spec: ControllerSpec) -> None:
    """A population under torch.vmap gets the rates that a Python loop over its members gets."""
    members = [
        (_numbers(spec, values), torch.tensor(float(10 * (index + 1))), torch.tensor([1.0, 0.5, 0.7 + index]))
        for index, values in enumerate(draws(spec.space, 5))
    ]

    def train(hparams: TensorHparams, horizon: Tensor, metrics: Tensor) -> dict[str, Any]:
        state = spec.controller.init(hparams)
        rates = {}
        for number, metric in enumerate(metrics.unbind()):
            info = _info(spec, horizon * number / 4, horizon, metric)
            rate, state = _answer(spec, state, info, hparams)
            rates[str(number)] = rate.value
        return {"rates": rates, "state": state}

    try:
        together = torch.vmap(train)(*(stacked(parts) for parts in zip(*members, strict=True)))
    except RuntimeError as error:
        raise ConformanceError(explain(error), spec.controller.update) from error
    for index, member in enumerate(members):
        require_close(
            unstacked(together, index), train(*member), "vmap against a loop", rtol=1e-5, atol=1e-7,
            at=spec.controller.update,
        )  # fmt: skip


def leaves_inputs_alone(spec: ControllerSpec) -> None:
    """State, hyperparameters and signals are never written to."""
    hparams, horizon = read_only(_numbers(spec, draws(spec.space, 1)[0])), torch.tensor(10.0)
    with WriteGuard(tensors_in(hparams)):
        state = spec.controller.init(hparams)
    for step in range(3):
        info = _info(spec, torch.tensor(float(step)), horizon, torch.tensor(1.0 + step))
        frozen_state = read_only(state)
        with WriteGuard(tensors_in(frozen_state, hparams, info.step, horizon, info.loss, info.signals)):
            _, state = _answer(spec, frozen_state, info, hparams)


def ignores_the_order_of_keys(spec: ControllerSpec) -> None:
    """State and hyperparameters may come with their keys in any order."""
    hparams = _numbers(spec, draws(spec.space, 1)[0])
    reordered_hparams = dict(reversed(hparams.items()))
    states = [spec.controller.init(hparams), spec.controller.init(reordered_hparams)]
    for step in range(4):
        info = _info(spec, torch.tensor(float(step)), torch.tensor(10.0), torch.tensor(1.0 + step))
        inputs = (states[0], hparams), (dict(reversed(states[1].items())), reordered_hparams)
        answers = [_answer(spec, state, info, values) for state, values in inputs]
        states = [state for _, state in answers]
        plain, reordered = ({"rate": rate.value, "state": state} for rate, state in answers)
        claim = f"With its dicts in another order, at step {step}"
        require_close(reordered, plain, claim, rtol=0, atol=0, at=spec.controller.update)


def is_deterministic(spec: ControllerSpec) -> None:
    """The same inputs give the same rates, and the global random generator is not touched."""
    values = draws(spec.space, 1)[0]
    message = "It draws from the global random generator; a controller has no randomness of its own."
    with seeded(0), DrawGuard(message):
        first = _rates(spec, values, 10, 5)
    require_same(_rates(spec, values, 10, 5), first, "The second run: the rate", spec.controller.update)


def keeps_its_layout(spec: ControllerSpec) -> None:
    """It returns a Rate of 0-d tensors, and a state that keeps its keys, shapes and dtypes."""
    hparams = _numbers(spec, draws(spec.space, 1)[0])
    init, at = spec.controller.init, spec.controller.update
    state = call_plugin(init, "hparams", hparams)
    require_tensors(state, "What init returns", init)
    absolute = set()
    for step in range(4):
        info = _info(spec, torch.tensor(float(step)), torch.tensor(10.0), torch.tensor(1.0))
        answer = call_plugin(at, "state, info, hparams", state, info, hparams, inputs=f"step {step}")
        _require_rate(spec, answer)
        rate, new = answer
        values = {"": rate.value} if isinstance(rate.value, Tensor) else dict(rate.value)
        for name, value in values.items():
            label = f"Rate {name}".rstrip()
            require_answer(value.ndim == 0, f"{label} must be 0-d, got shape {tuple(value.shape)}.", at)
            floating = value.is_floating_point()
            require_answer(floating, f"{label} must be a floating number, got {value.dtype}.", at)
        require_same_state(new, state, at)
        require_same_layout(new, state, "State after a step", at)
        absolute.add(rate.absolute)
        state = new
    require(absolute in ({True}, {False}), f"Rate.absolute must be always True or always False, got {absolute}.", at)
    gives, declared = f"Its rates are {'' if absolute == {True} else 'not '}absolute", f"absolute={not spec.absolute}"
    require(absolute == {spec.absolute}, f"{gives}: declare ControllerSpec({declared}).", at)


def rates_are_sound(spec: ControllerSpec) -> None:
    """At every end of the space, rates are finite and not negative until one and a half times the horizon."""
    for label, values in _everything(spec).items():
        for horizon in HORIZONS:
            rates = _rates(spec, values, horizon, horizon + horizon // 2 + 1)
            claim = f"With {label} and a horizon of {horizon}, the rate"
            within = rates[:horizon]
            fine = bool((within >= 0).all() and torch.isfinite(within).all())
            past = " past the horizon (info.fraction is 1 and more there: clamp it)" if fine else ""
            require_finite(rates, f"{claim}{past}", spec.controller.update)
            lowest = float(rates.min())
            require_answer(lowest >= 0, f"{claim} falls to {lowest:g}{past}.", spec.controller.update)


def some_step_moves(spec: ControllerSpec) -> None:
    """Within the horizon some rate is above 0, however short the run."""
    for label, values in _everything(spec).items():
        for horizon in HORIZONS:
            require(
                bool((_rates(spec, values, horizon, horizon) != 0).any()),
                f"With {label} and a horizon of {horizon}, every rate is 0: nothing would be trained.",
                spec.controller.update,
            )


def cadence_is_true(spec: ControllerSpec) -> None:
    """A controller of cadence `table` has no state and looks at nothing but step and horizon."""
    if spec.cadence != "table":
        raise NotApplicable(f"Its cadence is {spec.cadence!r}.")
    further = sorted({*spec.requires, *spec.requires_when} - {"horizon"})
    require(not further, f"cadence is 'table', but it requires {further}; use 'step' or 'validation'.")
    hparams = _numbers(spec, draws(spec.space, 1)[0])
    state = spec.controller.init(hparams)
    require(not state, f"cadence is 'table', but init returns a state: {sorted(state)}.", spec.controller.init)
    horizon = torch.tensor(20.0)
    for step in range(25):
        bare = StepInfo(torch.tensor(float(step)), horizon)
        informed = StepInfo(bare.step, horizon, torch.tensor(torch.nan), {"metric": torch.tensor(torch.nan)})
        rates = [_answer(spec, {}, info, hparams)[0].value for info in (informed, bare)]
        require_close(rates[0], rates[1], f"Rate at step {step} told a loss", rtol=0, atol=0, at=spec.controller.update)


def takes_bad_metrics(spec: ControllerSpec) -> None:
    """A metric that is NaN or infinite neither raises nor spoils the rates that follow."""
    if spec.cadence == "table":
        raise NotApplicable("It sees no metric.")
    for label, values in _everything(spec).items():
        metrics = [1.0, float("nan"), 0.9, float("inf"), 0.8, -float("inf"), 0.7, *[1e30] * 10]
        rates = _rates(spec, values, 20, len(metrics), metrics)
        claim = f"With {label} and metrics that are not finite, the rate"
        require_finite(rates, claim, spec.controller.update)
        require_answer(bool((rates >= 0).all()), f"{claim} falls to {float(rates.min()):g}.", spec.controller.update)


def horizon_is_declared(spec: ControllerSpec) -> None:
    """Unless it requires the signal `horizon`, it works where nobody knows the number of steps."""
    values = draws(spec.space, 1)[0]
    if "horizon" in spec.required(values):
        raise NotApplicable("It requires the horizon.")
    hparams = _numbers(spec, values)
    known = _info(spec, torch.tensor(0.0), torch.tensor(1.0), torch.tensor(1.0))
    info = StepInfo(known.step, None, known.loss, known.signals)
    rate, _ = _answer(spec, spec.controller.init(hparams), info, hparams)
    require_finite(rate.value, "The rate without a horizon", spec.controller.update)


CHECKS: tuple[Callable[[ControllerSpec], None], ...] = (
    is_pure,
    leaves_inputs_alone,
    ignores_the_order_of_keys,
    is_deterministic,
    keeps_its_layout,
    rates_are_sound,
    some_step_moves,
    cadence_is_true,
    takes_bad_metrics,
    horizon_is_declared,
)


def _everything(spec: ControllerSpec) -> dict[str, dict[str, Value]]:
    drawn = {f"{values}": values for values in draws(spec.space, 4)[1:]}
    return {**edges(spec.space), **drawn}


def _numbers(spec: ControllerSpec, values: Mapping[str, Value]) -> Tensors:
    return {name: torch.tensor(number) for name, number in encode(spec.space, values).items()}


def _info(spec: ControllerSpec, step: Tensor, horizon: Tensor, metric: Tensor) -> StepInfo:
    """The step's information, with the signals that the controller requires and no others."""
    required = {*spec.requires, *spec.requires_when}
    known = {"metric": metric, "gradient_norm": metric.abs(), "agreement": metric.cos(), "horizon": horizon}
    return StepInfo(
        step=step,
        horizon=horizon,
        loss=metric if "loss" in required else None,
        signals={name: known[name] for name in sorted(required) if name in known},
    )


def _answer(
    spec: ControllerSpec, state: ControllerState, info: StepInfo, hparams: TensorHparams
) -> tuple[Rate, ControllerState]:
    """The controller's rate and new state, checked to be a `Rate` and a pair."""
    answer: Any = spec.controller.update(state, info, hparams)
    _require_rate(spec, answer)
    return answer[0], answer[1]


def _require_rate(spec: ControllerSpec, answer: Any) -> None:
    at = spec.controller.update
    pair = isinstance(answer, tuple) and len(answer) == 2
    sound = pair and isinstance(answer[0], Rate)
    require_answer(sound, f"update must return (Rate, state), got {describe(answer)}.", at)
    value = answer[0].value
    values = value.values() if isinstance(value, Mapping) else [value]
    not_a_tensor = next((candidate for candidate in values if not isinstance(candidate, Tensor)), None)
    require_answer(
        not_a_tensor is None,
        f"Rate takes a 0-d tensor, or one for each parameter's name, got {describe(not_a_tensor)}.",
        at,
    )


def _rates(
    spec: ControllerSpec, values: Mapping[str, Value], horizon: int, count: int, metrics: list[float] | None = None
) -> Tensor:
    """Rates of `count` steps, or validations, in order; shape (count,), or (count, names)."""
    hparams, planned = _numbers(spec, values), torch.tensor(float(horizon))
    state: ControllerState = spec.controller.init(hparams)
    rates = []
    for step in range(count):
        metric = torch.tensor(1.0 if metrics is None else metrics[step])
        rate, state = _answer(spec, state, _info(spec, torch.tensor(float(step)), planned, metric), hparams)
        rates.append(torch.stack(list(flat(rate.value).values())))
    return torch.stack(rates).squeeze(-1) if len(rates[0]) == 1 else torch.stack(rates)
