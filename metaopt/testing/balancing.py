"""What every weighting and every surgery of several tasks must do."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import BalanceState, MultiTask, Split, Splits, StepInfo, Task, TensorHparams
from metaopt.inner import Member, train
from metaopt.plugin import Registry, SurgerySpec, WeightingSpec
from metaopt.space import Space, Value, encode
from metaopt.testing.answers import call_plugin, describe, require_answer, require_pair, require_same_state
from metaopt.testing.comparison import require_close, require_finite, require_same
from metaopt.testing.errors import require
from metaopt.testing.rules.subject import CONSTANT, DESCENT
from metaopt.testing.samples import draws, generator
from metaopt.testing.stoppers.recipes import require_survives

#: Weightings and surgeries, which are functions of the same kind.
Spec = WeightingSpec | SurgerySpec

_TASKS = (1, 2, 4)
_STEPS = 5
#: Numbers of a gradient.
_NUMBERS = 6


def answers_soundly(spec: Spec) -> None:
    """From any number of tasks it makes finite numbers of the right shape, step after step, with a plan or without."""
    for values in _values(spec):
        for tasks in _TASKS:
            for horizon in (None, torch.tensor(float(_STEPS))):
                _run(spec, values, _given(spec, tasks), horizon)


def odd_gradients_are_survived(spec: Spec) -> None:
    """Losses or gradients that are zero, equal or opposed still give finite numbers."""
    for values in _values(spec):
        for odd in _odd(spec):
            _run(spec, values, [odd] * _STEPS, None)


def leaves_inputs_alone(spec: Spec) -> None:
    """It writes nothing in place: losses or gradients, hyperparameters and state stay as they are."""
    for values in _values(spec):
        given, hparams = _given(spec, 3)[0], _hparams(spec.space, values)
        state = _init(spec, 3, hparams)
        before = [{**part} for part in ({"given": given.clone()}, _cloned(hparams), _cloned(state))]
        _function(spec)(given, state, hparams, _info(0, None))
        for now, then in zip(({"given": given}, hparams, state), before, strict=True):
            require_same(now, then, "What it was given", _function(spec))


def is_deterministic(spec: Spec) -> None:
    """The same steps give the same numbers."""
    for values in _values(spec):
        runs = [_run(spec, values, _given(spec, 4), None) for _ in range(2)]
        require_same({"run": runs[0]}, {"run": runs[1]}, "Numbers of a second run", _function(spec))


def runs_side_by_side(spec: Spec) -> None:
    """`torch.vmap` over members with hyperparameters of their own gives what one after the other does."""
    function = _function(spec)
    members = [_hparams(spec.space, values) for values in _values(spec)]
    given = torch.stack(_given(spec, 3)[: len(members)])
    states = [_init(spec, 3, hparams) for hparams in members]
    single = [
        function(own, state, hparams, _info(1, None))
        for own, state, hparams in zip(given, states, members, strict=True)
    ]
    stacked = torch.vmap(lambda own, state, hparams: function(own, state, hparams, _info(1, None)))(
        given, _stacked(states), _stacked(members)
    )
    require_close(
        {"numbers": stacked[0]},
        {"numbers": torch.stack([each[0] for each in single])},
        "Under torch.vmap",
        rtol=1e-4,
        atol=1e-5,
        at=function,
    )
    require_close(
        stacked[1],
        _stacked([each[1] for each in single]),
        "The state under torch.vmap",
        rtol=1e-4,
        atol=1e-5,
        at=function,
    )


def order_of_tasks_means_nothing(spec: Spec) -> None:
    """Two tasks that change places have changed numbers, and no others."""
    swap = torch.tensor([1, 0])
    for values in _values(spec):
        given = _given(spec, 2)
        one, other = (
            _run(spec, values, given, None),
            _run(spec, values, [_permuted(spec, own, swap) for own in given], None),
        )
        expected = one if _is_combining(spec) else one[:, swap]
        require_close(
            {"numbers": other},
            {"numbers": expected},
            "Numbers of tasks in another order",
            rtol=1e-3,
            atol=1e-4,
            at=_function(spec),
        )


def tasks_that_agree_descend(spec: Spec) -> None:
    """Tasks whose gradients are the same go along it; weights are positive."""
    for values in _values(spec):
        if isinstance(spec, WeightingSpec):
            weights = _run(spec, values, _given(spec, 4), None)
            require(bool((weights > 0).all()), f"Weights must be positive, got {weights.min().item():.4g}.", spec.weigh)
            continue
        gradient = torch.randn(_NUMBERS, generator=generator(3))
        rows = gradient.expand(4, _NUMBERS)
        answer = _run(spec, values, [_as_given(spec, rows)] * 2, None)[-1]
        combined = answer if _is_combining(spec) else answer @ rows
        along = torch.cosine_similarity(combined, gradient, 0).item()
        require(along > 0.99, f"Of equal gradients it makes one at a cosine of {along:.3f} to them.", _function(spec))


def survives_a_recipe(spec: Spec) -> None:
    """A recipe with it comes back from disk as it was."""
    for values in draws(spec.space, 3):
        require_survives(_configuration(spec, values), _registry(spec))


def engine_equals_loop(spec: Spec) -> None:
    """A population side by side trains a small shared trunk as a loop over members does."""
    task, registry = _task(), _registry(spec)
    members = [Member(assemble(_configuration(spec, values), registry), 0) for values in draws(spec.space, 2)]
    population, loop = (
        torch.tensor([trained.curve.values.tolist() for trained in train(task, members, engine=engine, compile="off")])
        for engine in ("population", "loop")
    )
    require_finite({"values": loop}, "Validations of a small shared trunk", _function(spec))
    require_close(
        {"values": population},
        {"values": loop},
        "Validations of a population",
        rtol=1e-3,
        atol=1e-4,
        at=_function(spec),
    )


CHECKS: tuple[Callable[[Any], None], ...] = (
    answers_soundly,
    leaves_inputs_alone,
    is_deterministic,
    odd_gradients_are_survived,
    runs_side_by_side,
    order_of_tasks_means_nothing,
    tasks_that_agree_descend,
    survives_a_recipe,
    engine_equals_loop,
)


def _values(spec: Spec) -> list[dict[str, Value]]:
    return draws(spec.space, 4 if spec.space else 1)


def _function(spec: Spec) -> Callable[..., Any]:
    function = spec.weigh if isinstance(spec, WeightingSpec) else spec.mix or spec.combine
    assert function is not None
    return function


def _is_combining(spec: Spec) -> bool:
    return isinstance(spec, SurgerySpec) and spec.combine is not None


def _hparams(space: Space, values: Mapping[str, Value]) -> TensorHparams:
    return {name: torch.tensor(number) for name, number in encode(space, values).items()}


def _as_given(spec: Spec, rows: Tensor) -> Tensor:
    """What the function is given for gradients of shape (tasks, numbers)."""
    if isinstance(spec, WeightingSpec):
        return rows.square().mean(1)
    return rows if _is_combining(spec) else rows @ rows.T


def _given(spec: Spec, tasks: int) -> list[Tensor]:
    source = generator(tasks)
    scales = torch.logspace(-1, 1, tasks).unsqueeze(1)
    return [_as_given(spec, scales * torch.randn(tasks, _NUMBERS, generator=source)) for _ in range(_STEPS)]


def _odd(spec: Spec) -> list[Tensor]:
    gradient = torch.randn(_NUMBERS, generator=generator(4))
    rows = [torch.zeros(3, _NUMBERS), gradient.expand(3, _NUMBERS), torch.stack([gradient, -gradient, 0 * gradient])]
    return [_as_given(spec, own) for own in rows]


def _permuted(spec: Spec, given: Tensor, order: Tensor) -> Tensor:
    own = given[order]
    return own[:, order] if isinstance(spec, SurgerySpec) and spec.mix is not None else own


def _info(step: int, horizon: Tensor | None) -> StepInfo:
    return StepInfo(torch.tensor(float(step)), horizon)


def _init(spec: Spec, tasks: int, hparams: TensorHparams) -> BalanceState:
    state: BalanceState = call_plugin(spec.init, "tasks, hparams", tasks, hparams)
    require_same_state(state, state, spec.init)
    return state


def _run(spec: Spec, values: Mapping[str, Value], steps: list[Tensor], horizon: Tensor | None) -> Tensor:
    """What it answers at each step, shape (steps, …)."""
    function, hparams, tasks = _function(spec), _hparams(spec.space, values), len(steps[0])
    state = _init(spec, tasks, hparams)
    wanted = (_NUMBERS,) if _is_combining(spec) else (tasks,)
    answers = []
    first = "losses" if isinstance(spec, WeightingSpec) else "gradients" if _is_combining(spec) else "gram"
    for step, given in enumerate(steps):
        pair = call_plugin(function, f"{first}, state, hparams, info", given, state, hparams, _info(step, horizon))
        require_pair(pair, "numbers, state", function)
        answer, new = pair
        fits = isinstance(answer, Tensor) and tuple(answer.shape) == wanted
        require_answer(
            fits, f"For {tasks} tasks it must give a tensor of shape {wanted}, got {describe(answer)}.", function
        )
        require_finite({"numbers": answer}, f"Numbers for {tasks} tasks", function)
        require_same_state(new, state, function)
        state = new
        answers.append(answer)
    return torch.stack(answers)


def _stacked(parts: list[Any]) -> dict[str, Tensor]:
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


def _cloned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


def _registry(spec: Spec) -> Registry:
    registry = Registry()
    for part in (DESCENT, CONSTANT, spec):
        registry.register(part)
    return registry


def _configuration(spec: Spec, values: Mapping[str, Value]) -> Configuration:
    hparams = {f"{spec.name}.{name}": value for name, value in values.items()}
    named = Configuration(DESCENT.name, CONSTANT.name, hparams=hparams)
    return replace(named, weighting=spec.name) if spec.kind == "weighting" else replace(named, surgery=spec.name)


def _task() -> MultiTask:
    """Two questions about the same small inputs."""
    inputs = torch.randn(24, 3, generator=generator(6))
    targets = {"sum": inputs.sum(1, keepdim=True), "sign": (inputs[:, 0] > 0).long()}
    losses: dict[str, Any] = {"sum": nn.functional.mse_loss, "sign": nn.functional.cross_entropy}
    tasks = [
        Task(
            name=name,
            family="kit",
            model=lambda: nn.Linear(3, 2),
            data=Splits(
                *[Split(inputs[rows], targets[name][rows]) for rows in (slice(0, 16), slice(16, 20), slice(20, 24))]
            ),
            loss=loss,
        )
        for name, loss in losses.items()
    ]
    heads: dict[str, Callable[[], nn.Module]] = {"sum": lambda: nn.Linear(4, 1), "sign": lambda: nn.Linear(4, 2)}
    return MultiTask(
        name="kit",
        family="kit",
        tasks=tasks,
        trunk=lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh()),
        heads=heads,
        batch_size=8,
        num_steps=_STEPS,
        num_validations=2,
    )
