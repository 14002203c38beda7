"""A small training with a plugin in a recipe, step by step as one loop or another takes it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.deploy import Run
from metaopt.plugin import ControllerSpec, OptimizerSpec, PluginSpec, Registry, WrapperSpec
from metaopt.recipe import Recipe
from metaopt.seeding import GlobalStream, seeded
from metaopt.testing.classes import model_for
from metaopt.testing.rules.subject import CONSTANT, DESCENT, HORIZON, Subject
from metaopt.testing.rules.wrappers import inner_rules
from metaopt.testing.samples import generator

NUM_STEPS = 6
#: Validations come after so many steps.
EVERY = 2


@dataclass(frozen=True)
class Case:
    """A plugin at its defaults in a recipe.

    Attributes:
        label: around what it is, for messages; empty where it stands alone.
        configuration: of the recipe.
        registry: with its plugins.
    """

    label: str
    configuration: Configuration
    registry: Registry

    @property
    def assembly(self) -> Assembly:
        """Its plugins, checked."""
        return assemble(self.configuration, self.registry)

    @property
    def optimizer(self) -> OptimizerSpec:
        """The optimizer that steps."""
        return self.assembly.optimizer

    @property
    def takes_closure(self) -> bool:
        """Whether it is a class that computes gradients anew inside its step."""
        return self.optimizer.rule is None and self.optimizer.native is not None and self.optimizer.native.takes_closure

    @property
    def needs_graph(self) -> bool:
        """Whether it is a class that differentiates gradients once more."""
        return self.optimizer.rule is None and self.optimizer.native is not None and self.optimizer.native.needs_graph

    def model(self) -> nn.Module:
        """The same small network each time."""
        with seeded(0):
            return model_for(self.optimizer)

    def bind(self, model: nn.Module, *, named: nn.Module | None = None) -> Run:
        """A run of the recipe on a model; `named` is the model itself where a wrapper of torch is around it."""
        assembly = self.assembly
        theta = None
        if assembly.meta is not None:
            params = {name: param.detach() for name, param in (named or model).named_parameters()}
            theta = assembly.meta.init_theta(params, generator(0), assembly.meta_values)
        recipe = Recipe.create(self.configuration, registry=self.registry, theta=theta)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what the class needs of a loop it has here
            # a learned rule's fallback is no part of what is checked
            return recipe.bind(model, total_steps=HORIZON, guard=theta is None, registry=self.registry)


def cases_of(spec: PluginSpec) -> list[Case]:
    """The recipes in which a plugin is tried: a wrapper around each of the kit's optimizers, a controller over one."""
    if isinstance(spec, OptimizerSpec):
        return [_of_subject("", Subject(spec))]
    if isinstance(spec, WrapperSpec):
        return [_of_subject(f"Around {inner.name}: ", Subject(inner, (spec,))) for inner in inner_rules()]
    assert isinstance(spec, ControllerSpec)
    registry = Registry()
    for part in (DESCENT, spec):
        registry.register(part)
    return [Case("", Configuration(DESCENT.name, spec.name), registry)]


def _of_subject(label: str, subject: Subject) -> Case:
    configuration = subject.assemble().configuration
    return Case(label, Configuration(configuration.optimizer, CONSTANT.name, configuration.wrappers), subject.registry)


def loss_on(model: nn.Module, rows: slice = slice(None)) -> Tensor:
    """Of the small regression on some of its rows."""
    inputs = torch.linspace(-1, 1, 24 * 6).reshape(24, 6).sin()[rows]
    errors: Tensor = model(inputs) - inputs.square().sum(1, keepdim=True)
    return errors.square().mean()


def train(
    case: Case,
    run: Run,
    step: Callable[[Case, Run, Callable[[], Tensor]], None],
    loss: Callable[[], Tensor],
    value: float = 1.0,
) -> None:
    """Take some steps, with a validation now and then.

    Args:
        case: what trains.
        run: bound to the model.
        step: one step of the loop, gradients and all.
        loss: of the model, anew at each call.
        value: of the first validation; later ones are lower.
    """
    stream = GlobalStream(0)
    for number in range(NUM_STEPS):
        run.optimizer.zero_grad()
        with stream.numbers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            step(case, run, loss)
        if number % EVERY == EVERY - 1:
            with run.evaluating():
                run.observe(value / (1 + number), epoch=float(number))


def by_run(case: Case, run: Run, loss: Callable[[], Tensor]) -> None:
    """The step of a loop that knows of runs."""
    if case.takes_closure:
        return by_closure(case, run, loss)
    computed = loss()
    computed.backward(create_graph=case.needs_graph)
    run.step(computed.detach())
    return None


def by_host(case: Case, run: Run, loss: Callable[[], Tensor]) -> None:
    """The step of a loop that records the loss and calls the optimizer by itself."""
    computed = loss()
    computed.backward(create_graph=case.needs_graph)
    run.record_loss(computed.detach())
    run.optimizer.step()
    run.scheduler.step()


def by_scaler(scaler: torch.amp.GradScaler) -> Callable[[Case, Run, Callable[[], Tensor]], None]:
    """The step of a loop with a `GradScaler`, as torch's documentation has it."""

    def step(case: Case, run: Run, loss: Callable[[], Tensor]) -> None:
        computed = loss()
        scaler.scale(computed).backward()
        run.record_loss(computed.detach())
        scaler.step(run.optimizer)
        scaler.update()
        run.scheduler.step()

    return step


def by_closure(case: Case, run: Run, loss: Callable[[], Tensor]) -> None:
    """The step of a loop that computes gradients inside a closure."""

    def closure() -> Tensor:
        run.optimizer.zero_grad()
        with torch.enable_grad():
            computed = loss()
            computed.backward(create_graph=case.needs_graph)
        return computed.detach()

    run.optimizer.step(closure)  # type: ignore[arg-type]
    run.scheduler.step()


def weights_of(model: nn.Module) -> Mapping[str, Tensor]:
    """Copies of a model's parameters, by name."""
    return {name: param.detach().clone() for name, param in model.named_parameters()}


def largest_difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> tuple[str, float]:
    """The parameter that differs most from its counterpart, and by how much: relative to it where that is above 1."""
    differences = {
        name: float(((tensor - other[name]).abs() / other[name].abs().clamp(min=1.0)).max()) if tensor.numel() else 0.0
        for name, tensor in one.items()
    }
    worst: Sequence[str] = sorted(differences, key=lambda name: -differences[name])
    return worst[0], differences[worst[0]]
