"""What makes a rule pure: it computes from its arguments alone and changes nothing else."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.contracts import Granularity, Params, Tensors
from metaopt.seeding import seeded
from metaopt.testing.comparison import flat, require_close, require_same
from metaopt.testing.errors import ConformanceError, NotApplicable, require
from metaopt.testing.rules.stacking import explain, stacked, unstacked
from metaopt.testing.rules.subject import (
    HORIZON,
    Subject,
    Trajectory,
    added,
    hparams_for,
    init_of,
    result_of,
    run,
    step_info,
    update_of,
)
from metaopt.testing.samples import draws, gradients
from metaopt.testing.watch import DrawGuard, WriteGuard, read_only, tensors_in


def is_pure(subject: Subject) -> None:
    """A population under torch.vmap computes what a Python loop over its members computes."""
    members = [
        (
            params := subject.parameters(seed),
            gradients(params, 3, seed + 10),
            _hparams(subject, values, params),
            theta,
            first,
        )
        for seed, values in enumerate(draws(subject.space, 4))
        for theta, first in [(subject.theta(subject.parameters(seed), seed), torch.tensor(0.0))]
    ]
    assembly = subject.assemble_precise()

    def train(params: Tensors, grads: list[Tensors], hparams: Any, theta: Tensors, first: Tensor) -> dict[str, Any]:
        return _steps(assembly, params, grads, hparams, theta, first)

    try:
        together = torch.vmap(train)(*(stacked(parts) for parts in zip(*members, strict=True)))
    except RuntimeError as error:
        raise ConformanceError(explain(error), update_of(assembly)) from error
    for index, member in enumerate(members):
        _require_close(unstacked(together, index), train(*member), "vmap against a loop", assembly)


def leaves_inputs_alone(subject: Subject) -> None:
    """Parameters, gradients, state, hyperparameters and theta are never written to."""
    assembly, params = subject.assemble(), subject.parameters()
    rule, theta, horizon = assembly.rule, subject.theta(params), torch.tensor(float(HORIZON))
    hparams = hparams_for(assembly, params)
    constants = read_only(params), read_only(hparams), read_only(theta)
    with WriteGuard(tensors_in(*constants, horizon)):
        current = rule.start(constants[0], constants[2])
        state = rule.init(read_only(current), constants[1], constants[2], horizon)
    for step, grads in enumerate(gradients(params, 2)):
        info = step_info(assembly, torch.tensor(float(step)), horizon, grads)
        inputs = read_only(grads), read_only(state), read_only(current)
        with WriteGuard(tensors_in(*inputs, *constants, info.step, horizon, info.loss, info.signals)):
            updates, state = rule.update(*inputs, constants[1], constants[2], info)
            rule.evaluation_params(inputs[2], read_only(state), constants[1])
        current = added(current, updates)


def state_is_its_own(subject: Subject) -> None:
    """A state shares no memory with parameters or gradients, which their owners overwrite."""
    assembly, params = subject.assemble(), subject.parameters()
    grads = gradients(params, 1)
    for steps in ([], grads):
        state = run(assembly, params, steps, subject.theta(params)).state
        lent = {tensor.untyped_storage().data_ptr() for tensor in tensors_in(params, grads[0]) if tensor.numel()}
        for path, tensor in flat({"tensors": state["tensors"], "shared": state["shared"]}).items():
            require(
                not tensor.numel() or tensor.untyped_storage().data_ptr() not in lent,
                f"State {path} after {len(steps)} steps is a parameter's or a gradient's own memory; "
                "copy it: param.clone(), or param.to(dtype, copy=True).",
                update_of(assembly) if steps else init_of(assembly),
            )


def is_deterministic(subject: Subject) -> None:
    """The same inputs give the same bits, and the global random generator is not touched."""
    trajectories = []
    for seed in (0, 1):
        with seeded(seed), DrawGuard("It draws from the global random generator; a rule has no randomness of its own."):
            trajectories.append(_run(subject, 3))
    require_same(
        result_of(trajectories[1]), result_of(trajectories[0]), "The second run", update_of(subject.assemble())
    )


def granularity_is_true(subject: Subject) -> None:
    """Laying tensors end to end ("coordinate", "sums"), or leaving others out ("tensor"), changes no number."""
    assembly = subject.assemble(no_decay="none")
    granularity, at = assembly.rule.granularity, update_of(assembly)
    require(granularity in get_args(Granularity), f"granularity is {granularity!r}.", at)
    if granularity == "tree":
        raise NotApplicable("A rule of granularity 'tree' may mix all parameters.")
    params = subject.parameters()
    theta, steps = subject.theta(params), gradients(params, 8)
    whole = run(assembly, params, steps, theta).params
    if granularity in ("coordinate", "sums"):
        flat_run = run(assembly, {"all": _laid(params)}, [{"all": _laid(grads)} for grads in steps], theta)
        claim = f"granularity is {granularity!r}, but laid end to end"
        _require_as_declared(flat_run.params, {"all": _laid(whole)}, claim, at)
    if granularity == "sums":
        return
    for name, param in params.items():
        alone = run(assembly, {name: param}, [{name: grads[name]} for grads in steps], theta, measured=steps).params
        _require_as_declared(alone, {name: whole[name]}, f"granularity is {granularity!r}, but alone", at)


CHECKS: tuple[Callable[[Subject], None], ...] = (
    is_pure,
    leaves_inputs_alone,
    state_is_its_own,
    is_deterministic,
    granularity_is_true,
)


def _hparams(subject: Subject, values: Mapping[str, Any], params: Params) -> Any:
    return hparams_for(subject.assemble(values), params)


def _steps(
    assembly: Assembly, params: Tensors, steps: Sequence[Tensors], hparams: Any, theta: Tensors, first: Tensor
) -> dict[str, Any]:
    rule, horizon = assembly.rule, first + HORIZON
    current = rule.start(params, theta)
    state = rule.init(current, hparams, theta, horizon)
    for number, grads in enumerate(steps):
        updates, state = rule.update(
            grads, state, current, hparams, theta, step_info(assembly, first + number, horizon, grads)
        )
        current = added(current, updates)
    return {"params": current, "state": state, "evaluation": rule.evaluation_params(current, state, hparams)}


def _run(subject: Subject, num_steps: int) -> Trajectory:
    params = subject.parameters()
    return run(subject.assemble(), params, gradients(params, num_steps), subject.theta(params))


def _require_close(actual: Any, expected: Any, claim: str, assembly: Assembly) -> None:
    require_close(actual, expected, claim, rtol=1e-4, atol=1e-6, at=update_of(assembly))


def _require_as_declared(actual: Any, expected: Any, claim: str, at: Callable[..., Any]) -> None:
    try:
        require_close(actual, expected, claim, rtol=1e-5, atol=1e-6, at=at)
    except ConformanceError as error:
        error.message += (
            ' Where norms or shapes of a tensor matter, say granularity="tensor", also to metaopt.per_tensor; where '
            'other tensors do, subclass metaopt.Rule and say "tree".'
        )
        raise


def _laid(tensors: Params) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors.values()])
