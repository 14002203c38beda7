"""One episode's inner loop as pure functions of theta: start, steps on the support set, loss on the queries.

Everything here is about a single episode; `metaopt.meta.vmapped_episode` puts many side by side.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metaopt.configuration import Assembly
from metaopt.contracts import (
    Episodes,
    FewShotTask,
    Hparams,
    MetaTraining,
    Params,
    Rule,
    State,
    StepInfo,
    Tensors,
    Theta,
    default_for,
)
from metaopt.errors import InputError
from metaopt.inner import failure, unroll
from metaopt.parameter_roles import layers_above, roles_on
from metaopt.pure_layers import FirstRows, batched, needs_support, output_layer, prototype_head, with_policy
from metaopt.tracing import FUNCTIONAL, PLAIN, Transforms, vmap_obstacle

#: Seeds of fresh models lie below this.
_SEEDS = 2**31 - 1


@dataclass(frozen=True, eq=False)
class InnerLoop:
    """A rule that adapts a task's model.

    Attributes:
        task: whose loss, metric and model to take.
        assembly: the rule with its hyperparameters.
        first_order: treat inner gradients as constants.
        device: of parameters and hyperparameters.
    """

    task: FewShotTask
    assembly: Assembly
    first_order: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @cached_property
    def module(self) -> nn.Module:
        """A copy of a model of the task for its structure, its batch norm layers pure."""
        module = self.task.build(0)
        pure = with_policy(module, self.task.batch_norm) if _has_batch_norm(module) else copy.deepcopy(module)
        return pure.to(self.device)

    @cached_property
    def sees_support(self) -> bool:
        """Whether outputs on queries depend on the support set: batch norm layers normalise by its statistics."""
        return self.task.batch_norm == "support" and needs_support(self.module)

    @cached_property
    def loop_reason(self) -> str | None:
        """Why episodes must be adapted to one after the other, in one line; None if they can be side by side.

        Raises:
            InputError: the gradient of the loss fails in either way.
        """
        inputs, targets = (tensor[:2].to(self.device) for tensor in self.task.examples)

        def trial(params: Tensors, inputs: Tensor, targets: Tensor) -> Any:
            gradients = torch.func.grad(self.loss)(params, inputs, targets)
            return gradients, self.measured(params, inputs, inputs, targets)

        reason = vmap_obstacle(trial, self.module, self.parameters, inputs, targets)
        if reason is not None:
            try:
                with torch.random.fork_rng(devices=[]):
                    PLAIN.grad(self.loss)(self.parameters, inputs, targets)
            except Exception as error:  # whatever a stranger's model raises
                own = self.parameters.values()
                raise failure(self.task.name, "a gradient of an episode", error, inputs, targets, own) from error
        return reason

    @property
    def transforms(self) -> Transforms:
        """How derivatives are made, and episodes put side by side."""
        return FUNCTIONAL if self.loop_reason is None else PLAIN

    @cached_property
    def buffers(self) -> Tensors:
        """What the model needs beside its trained parameters, the same for all episodes."""
        frozen = {name: param.detach() for name, param in self.module.named_parameters() if not param.requires_grad}
        return {**frozen, **dict(self.module.named_buffers())}

    @cached_property
    def roles(self) -> dict[str, str]:
        """The roles of the model's parameters, by name; empty where nothing goes by them."""
        if not self.assembly.has_roles:
            return {}
        return roles_on(self.module, self.task.examples[0][:2].to(self.device))

    @cached_property
    def rule(self) -> Rule:
        """The rule, over the names of the model's parameters."""
        return self.assembly.rule_over(self.roles)

    @cached_property
    def hparams(self) -> Hparams:
        """The rule's hyperparameters as 0-d tensors, by parameter."""
        above = layers_above(self.module, self.roles) if self.assembly.configuration.depth_decay != 1.0 else {}
        hparams = self.assembly.tensor_hparams(self.parameters, roles=self.roles, layers_above=above)
        return {name: {key: value.to(self.device) for key, value in own.items()} for name, own in hparams.items()}

    @cached_property
    def parameters(self) -> Tensors:
        """The parameters of a model, for their names and shapes; where the rule learned a start they do not matter."""
        return {name: param.detach() for name, param in self.module.named_parameters() if param.requires_grad}

    @cached_property
    def names_by_depth(self) -> list[str]:
        """Names of the trained parameters, those of the layer that gives the output last, as `init_theta` has them."""

        def trained(layer: nn.Module) -> bool:
            return any(param.requires_grad for param in layer.parameters(recurse=False))

        inputs, targets = (tensor[:2] for tensor in self.task.examples)
        self.module.eval()
        with torch.no_grad(), default_for(lambda: (inputs, targets)):
            everything = {**self.buffers, **self.parameters}
            last = output_layer(self.module, everything, inputs.to(self.device), trained)
        holders = () if last is None else (last.name, f"{last.prefix}parametrizations.weight")
        own = [name for name in self.parameters if name.rpartition(".")[0] in holders]
        return [*(name for name in self.parameters if name not in own), *own]

    @cached_property
    def rate(self) -> Callable[[StepInfo], Tensor] | None:
        """The controller as a schedule; None where it is the constant 1.

        Raises:
            InputError: the controller needs more than step and horizon.
        """
        spec, numbers = self.assembly.controller, self.assembly.controller_numbers()
        if spec.name == "constant" and not any(numbers.values()):
            return None
        if spec.cadence != "table":
            raise InputError(
                f"Meta-training takes controllers that are a schedule, and {spec.name!r} looks at the training; "
                "tune it around the learned rule afterwards."
            )
        hparams = {name: torch.tensor(number, device=self.device) for name, number in numbers.items()}

        def rate(info: StepInfo) -> Tensor:
            multiplier = spec.controller.update(spec.controller.init(hparams), info, hparams)[0]
            assert isinstance(multiplier.value, Tensor), "a schedule has one rate for all parameters"
            assert not multiplier.absolute, "a schedule multiplies"
            return multiplier.value

        return rate

    @property
    def meta(self) -> MetaTraining | None:
        """How the rule is meta-trained; None for a hand-designed one."""
        return self.assembly.meta

    def learns_start(self, theta: Theta) -> bool:
        """Whether the rule has a start of its own for every parameter, so that fresh ones do not matter."""
        start = self.rule.start(self.parameters, theta)
        return all(start[name] is not param for name, param in self.parameters.items())

    def starts(self, seeds: list[int]) -> Tensors:
        """Fresh parameters for each seed, shape (seeds, *shape)."""
        models = [dict(self.task.build(seed).named_parameters()) for seed in seeds]
        return {
            name: torch.stack([model[name].detach() for model in models]).to(self.device) for name in self.parameters
        }

    def draw_starts(self, count: int, generator: torch.Generator) -> Tensors:
        """Fresh parameters of so many models, shape (count, *shape)."""
        return self.starts(torch.randint(_SEEDS, (count,), generator=generator).tolist())

    def draw_episodes(self, count: int, generator: torch.Generator) -> Episodes:
        """Episodes to meta-train on."""
        return self.task.sample("train", count, generator).to(self.device)

    def draw_batches(
        self, episodes: Episodes, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor] | None:
        """Inputs and targets of each step, shape (episodes, steps, batch, …).

        None where every step sees the whole support set.
        """
        if self.task.batch_size is None:
            return None
        examples = episodes.support_inputs.shape[1]
        shape = (len(episodes), num_steps, min(self.task.batch_size, examples))
        rows = torch.randint(examples, shape, generator=generator).to(episodes.support_inputs.device)
        each = torch.arange(len(episodes), device=rows.device)[:, None, None]
        return episodes.support_inputs[each, rows], episodes.support_targets[each, rows]

    def begin(
        self, theta: Theta, params: Params, support: tuple[Tensor, Tensor], horizon: Tensor
    ) -> tuple[Tensors, State]:
        """Parameters and the rule's state before the first step."""
        current = self.rule.start(params, theta)
        if self.meta is not None and self.meta.prototypes:
            self.module.train()
            with default_for(lambda: support):
                current = prototype_head(self.module, {**self.buffers, **current}, *support)
        current = {name: current[name] for name in params}
        return current, self.rule.init(current, self.hparams, theta, horizon)

    def advance(
        self,
        theta: Theta,
        params: Params,
        state: State,
        batches: Sequence[tuple[Tensor, ...]],
        first_step: Tensor,
        horizon: Tensor,
    ) -> tuple[Tensors, State, Tensor]:
        """A step for each batch: parameters, state, and the losses before each step, shape (steps,)."""
        end = unroll(
            self.rule,
            self.loss,
            params,
            batches,
            self.hparams,
            theta,
            state=state,
            first_step=first_step,
            horizon=horizon,
            first_order=self.first_order,
            requires=self.assembly.requires,
            rate=self.rate,
            transforms=self.transforms,
        )
        return end.params, end.state, end.losses

    def loss(self, params: Params, inputs: Tensor, targets: Tensor, scale: Tensor | None = None) -> Tensor:
        """Training loss, of the parameters times `scale` if there is one."""
        self.module.train()
        if scale is not None:
            params = {name: scale * param for name, param in params.items()}
        with default_for(lambda: (inputs, targets)):
            return self.task.loss(self.output(params, inputs), targets)

    def query(
        self, params: Params, state: State, support: Tensor, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss and metric on queries, with the weights that the rule evaluates with; lower is better."""
        return self.measured(self.rule.evaluation_params(params, state, self.hparams), support, inputs, targets)

    def measured(self, params: Params, support: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and metric of parameters on queries; lower is better."""
        self.module.eval()
        with default_for(lambda: (inputs, targets)):
            if self.sees_support:
                with FirstRows(self.module, len(support)):
                    output = self.output(params, torch.cat([support, inputs]))[len(support) :]
            else:
                output = self.output(params, inputs)
            return self.task.loss(output, targets), self.task.measure(output, targets)

    def output(self, params: Params, inputs: Tensor) -> Tensor:
        """The model's output with these parameters."""
        with batched():
            output: Tensor = functional_call(self.module, {**self.buffers, **params}, (inputs,))
        return output


def inner_steps(assembly: Assembly, task: FewShotTask) -> int:
    """Steps on a support set: those that a learned rule was meta-trained for, else the task's."""
    return int(assembly.meta_values.get("inner_steps", 0)) or task.num_steps


def _has_batch_norm(module: nn.Module) -> bool:
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in module.modules())
