"""What a rule must do in users' loops: behind an optimizer, in a library's class, in a file."""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch.optim import Optimizer

from metaopt.configuration import Assembly, Configuration
from metaopt.contracts import Params, Tensors, Theta
from metaopt.deploy import AssemblyOptimizer, build_optimizer, evaluating
from metaopt.errors import PluginError, did_you_mean
from metaopt.plugin import OptimizerSpec
from metaopt.space import Value
from metaopt.testing.answers import describe_error
from metaopt.testing.comparison import require_close
from metaopt.testing.errors import ConformanceError, NotApplicable, require
from metaopt.testing.location import literal
from metaopt.testing.rules.subject import HORIZON, Subject, Trajectory, hparams_for, loss_at, run, update_of
from metaopt.testing.samples import draws, early, edges, gradients
from metaopt.testing.stoppers.recipes import require_survives

NUM_STEPS = 20


def shell_equals_unroll(subject: Subject) -> None:
    """Deployed as a torch.optim.Optimizer it computes what the pure rule computes, step by step."""
    params = subject.parameters()
    theta, steps = subject.theta(params), _steps(params)
    for values in draws(subject.space, 3):
        assembly = subject.assemble(values)
        started = assembly.rule.start(params, theta)
        optimizer, tensors = _deployed(assembly, started, "rule", theta)
        # A deployed rule gets its hyperparameters in float64.
        expected = run(assembly, params, steps, theta, dtype=torch.float64)
        _require_same_steps(optimizer, tensors, assembly, steps, expected, f"deployed with {values}", 1e-5)


def native_equals_rule(subject: Subject) -> None:
    """The library's class that the spec names computes what the rule computes, step by step."""
    _require_native_class(subject.optimizer)
    native = subject.optimizer.native
    params = {
        name: param
        for name, param in subject.parameters(dtype=torch.float64).items()
        if native is None or (native.dims in (None, param.ndim) and (native.takes_empty or param.numel()))
    }
    theta = subject.theta(params)
    steps, reasons, num_compared = _steps(params), set(), 0
    for values in (*_without_decay(subject), *draws(subject.space, 6)):
        assembly = subject.assemble(values)
        try:
            optimizer, tensors = _deployed(assembly, params, "native", theta)
        except PluginError as reason:
            reasons.add(str(reason))
            continue
        expected = run(assembly, params, steps, theta)
        _require_same_steps(optimizer, tensors, assembly, steps, expected, f"the native class with {values}", 1e-5)
        num_compared += 1
    if not num_compared:
        raise NotApplicable(" ".join(sorted(reasons)))


def packs_into_groups(subject: Subject) -> None:
    """A torch param group holds the hyperparameters and gives them back as they were."""
    spec = subject.optimizer
    for values in (*draws(spec.space, 4), *edges(spec.space).values()):
        group = spec.pack(values)
        require("params" not in group, f"A hyperparameter may not be called 'params', which is torch's: {group}.")
        back = spec.unpack({"params": [], "initial_lr": 1.0, **group})
        require(back == values, f"{values} came back from a param group as {back}.")


def configuration_survives_json(subject: Subject) -> None:
    """A configuration comes back from JSON as it was."""
    for values in draws(subject.space, 4):
        configuration = subject.assemble(values).configuration
        back = Configuration.from_json(json.loads(json.dumps(configuration.to_json(), allow_nan=False)))
        require(back == configuration and back.key == configuration.key, f"{configuration} came back as {back}.")


def rule_survives_a_recipe(subject: Subject) -> None:
    """A recipe with it comes back from disk as it was, learned weights included."""
    theta = subject.theta(subject.parameters()) or None
    for values in draws(subject.space, 2):
        require_survives(subject.assemble(values).configuration, subject.registry, theta=theta)


CHECKS: tuple[Callable[[Subject], None], ...] = (
    shell_equals_unroll,
    native_equals_rule,
    packs_into_groups,
    configuration_survives_json,
    rule_survives_a_recipe,
)


def _steps(params: Params) -> list[Tensors]:
    """Gradients of each step; one parameter gets its first gradient late, another misses one."""
    steps = gradients(params, NUM_STEPS)
    for step in (0, 1, 2):
        steps[step].pop("kernel", None)
    del steps[5][next(iter(early(params)))]
    return steps


def _require_native_class(spec: OptimizerSpec) -> None:
    """Raise ConformanceError where the native class's library is installed but lacks the class that the spec names."""
    native = spec.native
    if native is None or find_spec(native.module.partition(".")[0]) is None:
        return
    try:
        attribute: Any = import_module(native.module)
    except ModuleNotFoundError as error:
        message = f"native: {describe_error(error)[:-1]}; correct module={native.module!r}."
        raise ConformanceError(message, location=literal(spec, native.module)) from error
    for part in native.qualname.split("."):
        if not hasattr(attribute, part):
            message = f"native: {native.module} has no {part!r}{did_you_mean(part, dir(attribute), '; {}')}"
            message = message if message.endswith("?") else f"{message}; correct qualname={native.qualname!r}."
            raise ConformanceError(message, location=literal(spec, native.qualname))
        attribute = getattr(attribute, part)


def _without_decay(subject: Subject) -> list[dict[str, Value]]:
    space = subject.space
    names = [name for name in space if name.endswith(".weight_decay") and 0.0 in getattr(space[name], "domain", ())]
    return [{**draws(space, 1)[0], name: 0.0} for name in names]


def _deployed(assembly: Assembly, params: Params, implementation: Any, theta: Theta) -> tuple[Optimizer, Tensors]:
    tensors = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    optimizer = build_optimizer(
        assembly, list(tensors.items()), implementation=implementation, theta=theta, horizon=HORIZON
    )
    return optimizer, dict(tensors)


def _require_same_steps(
    optimizer: Optimizer,
    tensors: Tensors,
    assembly: Assembly,
    steps: Sequence[Params],
    trajectory: Trajectory,
    claim: str,
    rtol: float,
) -> None:
    at = update_of(assembly)
    for number, grads in enumerate(steps):
        for name, tensor in tensors.items():
            tensor.grad = grads[name].clone() if name in grads else None
        if isinstance(optimizer, AssemblyOptimizer):
            optimizer.step(loss=loss_at(torch.tensor(float(number))))
        else:
            optimizer.step()
        require_close(tensors, trajectory.history[number], f"Step {number}, {claim}", rtol=rtol, atol=1e-6, at=at)
    hparams = hparams_for(assembly, trajectory.params)
    evaluated = assembly.rule.evaluation_params(trajectory.params, trajectory.state, hparams)
    with evaluating(optimizer):
        require_close(tensors, evaluated, f"evaluation_params, {claim}", rtol=rtol, atol=1e-6, at=at)
