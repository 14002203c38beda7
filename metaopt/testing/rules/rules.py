"""What every rule must do with parameters, gradients and state, be it an optimizer or a wrapper around one."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from metaopt.contracts import PerTensorRule, State, SteeringRule, StepInfo, Tensors
from metaopt.seeding import seeded
from metaopt.testing.answers import (
    call_plugin,
    check_steering,
    check_tensor_functions,
    describe,
    require_pair,
    require_tensors,
    require_wraps,
)
from metaopt.testing.comparison import flat, require_finite, require_same, require_same_layout
from metaopt.testing.dtypes import in_each
from metaopt.testing.errors import NotApplicable, require
from metaopt.testing.rules.subject import (
    HORIZON,
    Subject,
    added,
    hparams_for,
    init_of,
    result_of,
    run,
    step_info,
    update_of,
)
from metaopt.testing.rules.zero_gradients import require_finite_at_zero
from metaopt.testing.samples import draws, early, edges, generator, gradients

DTYPES = (torch.float32, torch.float64, torch.bfloat16)
#: Parameters that have grown beyond this are said to diverge.
DIVERGED = 1e6


def keeps_dtypes_and_shapes(subject: Subject) -> None:
    """Updates have the parameter's dtype and shape, and a state keeps its keys, dtypes and shapes; all are finite."""
    require_wraps(subject)
    in_each(DTYPES, partial(_keeps_dtype_and_shapes, subject), subject)


def _keeps_dtype_and_shapes(subject: Subject, dtype: torch.dtype) -> None:
    params = subject.parameters(dtype=dtype)
    assembly, theta = subject.assemble(), subject.theta(params)
    rule, hparams, horizon = assembly.rule, hparams_for(assembly, params), torch.tensor(float(HORIZON))
    at = update_of(assembly)
    if isinstance(rule, PerTensorRule):
        check_tensor_functions(assembly, rule, params, theta)
    state = call_plugin(rule.init, "params, hparams, theta, horizon", params, hparams, theta, horizon)
    _require_plain(state, "init", init_of(assembly))
    require(state["tensors"].keys() <= params.keys(), f"init has state for {sorted(state['tensors'])}.", at)
    first = state
    for step, grads in enumerate(gradients(params, 2)):
        info = step_info(assembly, torch.tensor(float(step)), horizon, grads)
        if isinstance(rule, SteeringRule):
            check_steering(rule, grads, state, params, hparams, theta, info)
        names, arguments = (
            "grads, state, params, hparams, theta, info",
            (grads, state, params, hparams, theta, info),
        )
        answer = call_plugin(rule.update, names, *arguments)
        require_pair(answer, "updates, new_state", at)
        updates, new = answer
        require_tensors(updates, "The updates", at)
        _require_plain(new, "update", at)
        _require_same_keys(new, state, at)
        require_same_layout(updates, params, f"Updates of {dtype} parameters (end with .to(param.dtype))", at)
        require_same_layout(new, state, f"State of {dtype} parameters after a step", at)
        require_finite(updates, f"Step {step} of {dtype} parameters: the update", at)
        state = new
    require_finite_at_zero(assembly, params, theta, {"at the start": first, "after two steps": state}, at)
    evaluated = call_plugin(rule.evaluation_params, "params, state, hparams", params, state, hparams)
    evaluate = type(rule).evaluation_params
    require_tensors(evaluated, "What evaluation_params returns", evaluate)
    require_same_layout(evaluated, params, f"evaluation_params of {dtype} parameters", evaluate)
    require_finite(evaluated, f"evaluation_params of {dtype} parameters after two steps", evaluate)


def takes_missing_gradients(subject: Subject) -> None:
    """A parameter without a gradient gets no update, and may get one later."""
    # float64, for the first steps of rules that learn their rate may be too small to show in float32.
    assembly, params = subject.assemble(), subject.parameters(dtype=torch.float64)
    at = update_of(assembly)
    late = gradients(params, 6)
    steps: list[Tensors] = [early(late[0]), {}, *late[2:]]
    trajectory = run(assembly, params, steps, subject.theta(params))
    for step, grads in enumerate(steps):
        before = trajectory.history[step - 1] if step else assembly.rule.start(params, subject.theta(params))
        for name in params.keys() - grads.keys():
            require(
                torch.equal(trajectory.history[step][name], before[name]),
                f"Parameter {name!r} had no gradient at step {step} but was updated.",
                at,
            )
    require_finite(trajectory.params, "After a late first gradient", at)
    prompt = run(assembly, params, late, subject.theta(params))
    moved = ["matrix" for result in (prompt, trajectory) if not torch.equal(result.params["matrix"], params["matrix"])]
    never = "Parameter 'matrix' never moved although it had gradients from step 2 on; with all gradients it does."
    require(len(moved) != 1, never, at)


def serves_a_subset(subject: Subject) -> None:
    """`init` serves some of the parameters, as `add_param_group` needs."""
    assembly, params = subject.assemble(), subject.parameters()
    hparams, theta, horizon = hparams_for(assembly, params), subject.theta(params), torch.tensor(float(HORIZON))
    first = early(params)
    second = {name: params[name] for name in params if name not in first}
    whole, first_state, second_state = (
        assembly.rule.init(subset, hparams, theta, horizon) for subset in (params, first, second)
    )
    merged: State = {"tensors": {**first_state["tensors"], **second_state["tensors"]}, "shared": first_state["shared"]}
    require_same_layout(merged, whole, "init of two subsets, merged, against init of all")
    if assembly.rule.granularity not in ("sums", "tree"):
        require_same(merged["tensors"], whole["tensors"], "init of two subsets, merged, against init of all")
    grads = gradients(params, 1)[0]
    info = step_info(assembly, torch.tensor(0.0), horizon, grads)
    updates, _ = assembly.rule.update(grads, merged, params, hparams, theta, info)
    require_same_layout(updates, params, "Updates after add_param_group", update_of(assembly))


def needs_no_horizon(subject: Subject) -> None:
    """Unless it requires the signal `horizon`, it works where nobody knows the number of steps."""
    assembly, params = subject.assemble(), subject.parameters()
    if "horizon" in assembly.requires:
        raise NotApplicable("It requires the horizon.")
    hparams, theta = hparams_for(assembly, params), subject.theta(params)
    state = call_plugin(assembly.rule.init, "params, hparams, theta, horizon", params, hparams, theta, None)
    grads = gradients(params, 1)[0]
    known = step_info(assembly, torch.tensor(0.0), torch.tensor(1.0), grads)
    info = StepInfo(step=known.step, horizon=None, loss=known.loss, signals=known.signals)
    arguments = grads, state, params, hparams, theta, info
    updates, _ = call_plugin(assembly.rule.update, "grads, state, params, hparams, theta, info", *arguments)
    require_finite(updates, "Updates without a horizon", update_of(assembly))


def resumes(subject: Subject) -> None:
    """A state that went through torch.save and torch.load(weights_only=True) continues bit for bit."""
    in_each((torch.float32, torch.bfloat16), partial(_resumes, subject), subject)


def _resumes(subject: Subject, dtype: torch.dtype) -> None:
    params = subject.parameters(dtype=dtype)
    assembly, theta, steps = subject.assemble(), subject.theta(params), gradients(params, 8)
    whole = run(assembly, params, steps, theta)
    half = run(assembly, params, steps[:4], theta)
    loaded = _through_file({"params": half.params, "state": half.state})
    resumed = run(assembly, loaded["params"], steps[4:], theta, state=loaded["state"], first=4)
    require_same(result_of(resumed), result_of(whole), f"{dtype}: resumed at step 4", update_of(assembly))


def has_finite_meta_gradients(subject: Subject) -> None:
    """Derivatives through an unroll are finite where the gradient is zero."""
    assembly, params = subject.assemble(), subject.parameters()
    base, minimum = hparams_for(assembly, params), subject.parameters()
    lr = torch.tensor(float(assembly.rule_values["lr"])) if "lr" in assembly.rule_values else None
    inputs = {"params": params, "theta": subject.theta(params), "hparams": {} if lr is None else {"lr": lr}}

    def outcome(variables: dict[str, Tensors]) -> Tensor:
        hparams = {name: {**values, **variables["hparams"]} for name, values in base.items()}
        horizon, current = torch.tensor(float(HORIZON)), variables["params"]
        state = assembly.rule.init(current, hparams, variables["theta"], horizon)
        for step in range(3):
            # At first the parameters are where the gradient is zero, but its derivative is not.
            grads = {name: param - minimum[name] for name, param in current.items()}
            info = step_info(assembly, torch.tensor(float(step)), horizon, grads)
            updates, state = assembly.rule.update(grads, state, current, hparams, variables["theta"], info)
            current = added(current, updates)
        return torch.stack([param.sum() + param.square().sum() for param in current.values()]).sum()

    derivatives = torch.func.grad(outcome)(inputs)
    require_finite(
        derivatives,
        "Meta-gradients where the gradient is zero (keep an epsilon inside a root: sqrt(v) has no derivative at 0)",
        update_of(assembly),
    )


def holds_at_the_edges(subject: Subject) -> None:
    """At every end of the space ten steps are finite, unless it visibly diverges first."""
    params = subject.parameters()
    curvature = {name: torch.linspace(0.1, 10, param.numel()).reshape(param.shape) for name, param in params.items()}
    theta = subject.theta(params)
    for label, values in edges(subject.space).items():
        assembly = subject.assemble(values)
        state: State | None = None
        current = params
        for step in range(10):
            before = max(float(param.abs().max()) for param in current.values() if param.numel())
            if before > DIVERGED:
                break
            grads = {name: curvature[name] * param for name, param in current.items()}
            trajectory = run(assembly, current, [grads], theta, state=state, first=step)
            state, current = trajectory.state, trajectory.params
            require_finite(current, f"With {label}, parameters after step {step + 1}", update_of(assembly))


def evaluates_soundly(subject: Subject) -> None:
    """Parameters to evaluate with are finite and have the parameters' names, before the first step and after some."""
    params = subject.parameters()
    theta, steps = subject.theta(params), gradients(params, 6)
    for values in draws(subject.space, 4):
        assembly = subject.assemble(values)
        hparams = hparams_for(assembly, params)
        for count in (0, 1, 6):
            trajectory = run(assembly, params, steps[:count], theta)
            evaluated = assembly.rule.evaluation_params(trajectory.params, trajectory.state, hparams)
            claim = f"evaluation_params after {count} steps with {values}"
            require_same_layout(evaluated, params, claim)
            require_finite(evaluated, claim)


def theta_is_reproducible(subject: Subject) -> None:
    """`init_theta` depends on its arguments alone."""
    meta = subject.assemble().meta
    if meta is None:
        raise NotApplicable(f"{subject.assemble().title} is not learned.")
    thetas: list[Tensors] = []
    for seed in (0, 1):
        with seeded(seed):
            arguments = subject.parameters(), generator(5), subject.assemble().meta_values
            thetas.append(call_plugin(meta.init_theta, "params, generator, hparams", *arguments))
    require_tensors(thetas[0], "What init_theta returns", meta.init_theta)
    require_same(thetas[1], thetas[0], "theta from an equal generator", meta.init_theta)
    require_finite(thetas[0], "theta", meta.init_theta)


CHECKS: tuple[Callable[[Subject], None], ...] = (
    keeps_dtypes_and_shapes,
    takes_missing_gradients,
    serves_a_subset,
    needs_no_horizon,
    resumes,
    has_finite_meta_gradients,
    holds_at_the_edges,
    evaluates_soundly,
    theta_is_reproducible,
)


def _require_plain(state: Any, where: str, at: Callable[..., Any]) -> None:
    require(
        type(state) is dict and state.keys() == {"tensors", "shared"},
        f"{where} must return the state as {{'tensors': ..., 'shared': ...}}, got {describe(state)}.",
        at,
    )
    require(
        type(state["tensors"]) is dict, f"State must consist of plain dicts; tensors is {describe(state['tensors'])}."
    )
    for path, part in {"shared": state["shared"], **state["tensors"]}.items():
        require(type(part) is dict, f"State must consist of plain dicts; {path} is {describe(part)}.", at)
        require_tensors(part, f"State {path}", at)
    for path, value in flat({"tensors": state["tensors"], "shared": state["shared"]}).items():
        require(not value.requires_grad, f"State {path} requires a gradient.", at)


def _require_same_keys(new: State, old: State, at: Callable[..., Any]) -> None:
    extra = sorted(map(str, new["tensors"].keys() - old["tensors"].keys()))
    require(not extra, f"update returned a state for {extra}, init made none.", at)
    for label, part, before in (
        ("", new["shared"], old["shared"]),
        *((f" for {name!r}", new["tensors"].get(name, {}), own) for name, own in old["tensors"].items()),
    ):
        keys = [f"{{{', '.join(sorted(state))}}}" for state in (part, before)]
        require(keys[0] == keys[1], f"update returned the state keys {keys[0]}{label}, init made {keys[1]}.", at)


def _through_file(document: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(document, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded
