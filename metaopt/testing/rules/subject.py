"""A rule under test: an optimizer, with or without wrappers, run the plain way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import (
    ControllerState,
    Hparams,
    Params,
    PerTensorRule,
    Rate,
    State,
    SteeringRule,
    StepInfo,
    TensorHparams,
    Tensors,
    Theta,
    WrappedRule,
    per_tensor,
)
from metaopt.plugin import ControllerSpec, OptimizerSpec, Registry, WrapperSpec
from metaopt.space import Float, Space, Value, When
from metaopt.testing.samples import generator, parameters

#: Planned number of steps of all runs in the kit.
HORIZON = 40


@dataclass(frozen=True)
class Trajectory:
    """A finished run: parameters and state at its end, and the parameters after each step."""

    params: Tensors
    state: State
    history: tuple[Tensors, ...]


@dataclass(frozen=True)
class Subject:
    """An optimizer inside wrappers, the innermost first."""

    optimizer: OptimizerSpec
    wrappers: tuple[WrapperSpec, ...] = ()

    @cached_property
    def registry(self) -> Registry:
        """A registry with the subject's own plugins and a constant controller."""
        registry = Registry()
        for spec in (self.optimizer, *self.wrappers, CONSTANT):
            registry.register(spec)
        return registry

    @cached_property
    def space(self) -> Space:
        """The hyperparameters of all parts, prefixed by the part's name."""
        return {
            f"{spec.name}.{name}": replace(distribution, when=_prefixed(distribution.when, spec.name))
            for spec in (self.optimizer, *self.wrappers)
            for name, distribution in spec.space.items()
        }

    def assemble(self, values: Mapping[str, Value] | None = None, no_decay: Literal["1d", "none"] = "1d") -> Assembly:
        """The rule with hyperparameters by prefixed name."""
        names = tuple(spec.name for spec in self.wrappers)
        configuration = Configuration(self.optimizer.name, CONSTANT.name, names, dict(values or {}), no_decay)
        return assemble(configuration, self.registry)

    def assemble_precise(self) -> Assembly:
        """The rule at its defaults, but with those values with which it does not round within a step."""
        return self.assemble({f"{self.optimizer.name}.{name}": value for name, value in self.optimizer.precise.items()})

    def parameters(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
        """The kit's parameters that the optimizer takes."""
        return parameters(seed, dtype, self.optimizer.takes)

    def theta(self, params: Params, seed: int = 0) -> Tensors:
        """Weights of a learned rule before meta-training; empty for a hand-designed one."""
        meta = self.assemble().meta
        return {} if meta is None else meta.init_theta(params, generator(seed), self.assemble().meta_values)


def run(
    assembly: Assembly,
    params: Params,
    gradients: Sequence[Params],
    theta: Theta,
    *,
    state: State | None = None,
    first: int = 0,
    dtype: torch.dtype | None = None,
    measured: Sequence[Params] | None = None,
) -> Trajectory:
    """Apply a rule to given gradients, step by step.

    Args:
        assembly: the rule with its hyperparameters.
        params: the parameters to start from.
        gradients: the gradients of each step; names may be missing.
        theta: weights of a learned rule.
        state: the state to continue from, after `first` steps; what the rule's `init` returns if left out.
        first: number of steps completed before.
        dtype: dtype of the hyperparameters; see `hparams_for`.
        measured: the gradients of each step from which signals are taken; `gradients` if left out.
    """
    hparams = hparams_for(assembly, params, dtype)
    horizon = torch.tensor(float(HORIZON))
    current = dict(params)
    if state is None:
        current = dict(assembly.rule.start(current, theta))
        state = assembly.rule.init(current, hparams, theta, horizon)
    history = []
    for step, (grads, all_grads) in enumerate(zip(gradients, measured or gradients, strict=True), start=first):
        info = step_info(assembly, torch.tensor(float(step)), horizon, all_grads)
        updates, state = assembly.rule.update(grads, state, current, hparams, theta, info)
        current = added(current, updates)
        history.append(current)
    return Trajectory(current, state, tuple(history))


def hparams_for(assembly: Assembly, params: Params, dtype: torch.dtype | None = None) -> Hparams:
    """Hyperparameters as 0-d tensors; `dtype` defaults to float64 where a parameter has it, else float32."""
    double = any(param.dtype == torch.float64 for param in params.values())
    return assembly.tensor_hparams(params, dtype or (torch.float64 if double else torch.float32))


def step_info(assembly: Assembly, step: Tensor, horizon: Tensor, grads: Params) -> StepInfo:
    """The step's information with the required signals alone; the invented losses and metrics fall with the steps."""
    invented_loss = loss_at(step)
    known = {
        "gradient_norm": torch.stack([grad.float().norm() for grad in (*grads.values(), torch.zeros(1))]).norm(),
        "metric": invented_loss,
        "horizon": horizon,
    }
    return StepInfo(
        step=step,
        horizon=horizon,
        loss=invented_loss if "loss" in assembly.requires else None,
        signals={name: known[name] for name in sorted(assembly.requires) if name in known},
    )


def loss_at(step: Tensor) -> Tensor:
    """The invented loss at a step, for rules that require a loss."""
    return 1 / (1 + step)


def added(params: Params, updates: Params) -> Tensors:
    """The parameters after a step."""
    return {name: param + updates[name] if name in updates else param for name, param in params.items()}


def _prefixed(condition: When | None, owner: str) -> When | None:
    return condition and replace(condition, name=f"{owner}.{condition.name}")


def update_of(assembly: Assembly) -> Callable[..., Any]:
    """The plugin's own function behind a rule's update, which an error points to."""
    rule = assembly.rule
    if isinstance(rule, SteeringRule):
        return type(rule).steer
    return rule.update_one if isinstance(rule, PerTensorRule) else type(rule).update


def init_of(assembly: Assembly) -> Callable[..., Any]:
    """The plugin's own function behind a rule's init, which an error points to."""
    rule = assembly.rule
    if isinstance(rule, WrappedRule):
        return type(rule).own_state
    return rule.init_one if isinstance(rule, PerTensorRule) else type(rule).init


def result_of(trajectory: Trajectory) -> dict[str, Any]:
    """Parameters and state at the end of a run, for comparisons."""
    return {"params": trajectory.params, "state": trajectory.state}


class _Constant:
    def init(self, hparams: TensorHparams) -> ControllerState:
        return {}

    def update(self, state: ControllerState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, ControllerState]:
        return Rate(torch.ones(())), state


#: A controller that changes nothing.
CONSTANT = ControllerSpec(name="constant", version="1", controller=_Constant())

#: Plain gradient descent.
DESCENT = OptimizerSpec(
    name="plain_descent",
    version="1",
    rule=per_tensor(
        init=lambda param, hparams, theta, horizon: {},
        update=lambda grad, state, param, hparams, theta, info: (-hparams["lr"] * grad, state),
    ),
    space={"lr": Float(1e-3, 1.0, log=True, default=0.1)},
)
