"""What tasks of all kinds share: names that are checked, a metric with a sign, and seeded fresh models."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from metaopt.contracts.default_dtype import default_for
from metaopt.contracts.fingerprints import Part, digest, identity, structure
from metaopt.contracts.stopper import Mode
from metaopt.errors import InputError, check_positive, is_interrupt, named_line, one_line, quoted
from metaopt.files import is_utf8
from metaopt.seeding import seeded

_Made = TypeVar("_Made")

LossFunction: TypeAlias = Callable[[Tensor, Tensor], Tensor]
#: Changes the inputs of a training batch by what a generator draws.
Augment: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]

#: Seeds of the models that are compared for a fingerprint: values that differ are drawn, and no part of a task.
_SEEDS = (0, 1)


class NamedTask(ABC):
    """A task with a name, a family and a mode; its subclasses are frozen dataclasses with these fields."""

    name: str
    family: str
    mode: Mode
    version: str | None
    resources: Mapping[str, float]

    @property
    def sign(self) -> float:
        """+1 if the metric is better when lower, else -1."""
        return 1.0 if self.mode == "min" else -1.0

    @abstractmethod
    def _sizes(self) -> dict[str, Any]:
        """What `repr` shows besides name and family; never the data."""

    def __repr__(self) -> str:
        return one_line(self, name=self.name, family=self.family, **self._sizes())

    def _check_names(self) -> None:
        """Refuse a task without a name or family, with an unknown mode, a version that is no text, or odd resources."""
        if not self.name or not self.family:
            raise InputError(
                f"A task needs a name and a family, got name={quoted(self.name)}, family={quoted(self.family)}."
            )
        for text in (self.name, self.family):
            if not isinstance(text, str) or not is_utf8(text):
                raise InputError(f"A task's name and family are text that files can hold, got {quoted(text)}.")
        if self.mode not in ("min", "max"):
            raise InputError(f"Task {quoted(self.name)}: mode must be 'min' or 'max', got {quoted(self.mode)}.")
        if self.version is not None and not isinstance(self.version, str):
            raise InputError(
                f"Task {quoted(self.name)}: version must be a text such as '1', got {quoted(self.version)}."
            )
        if not isinstance(self.resources, Mapping) or not all(map(_is_amount, self.resources.items())):
            raise InputError(
                f"Task {quoted(self.name)}: resources are amounts by name, such as {{'num_gpus': 0.5}}, got "
                f"{quoted(self.resources)}."
            )


def _is_amount(entry: tuple[object, object]) -> bool:
    name, amount = entry
    if not isinstance(name, str) or not isinstance(amount, int | float) or isinstance(amount, bool):
        return False
    return 0 <= amount < math.inf


class ModelTask(NamedTask):
    """A task that trains a model; its subclasses are frozen dataclasses with these fields."""

    model: Callable[..., nn.Module]
    loss: LossFunction
    metric: LossFunction | None

    def _fresh(self) -> Any:
        """What the model's factory makes."""
        return self.model()

    @abstractmethod
    def _few_examples(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets to give a fresh model's lazy layers their shapes."""

    def measure(self, output: Tensor, targets: Tensor) -> Tensor:
        """The metric times its sign, so that lower is better."""
        return self.sign * (self.metric or self.loss)(output, targets)

    def build(self, seed: int) -> nn.Module:
        """A fresh model whose weights depend on `seed` alone; the global generator is left as it was.

        Raises:
            InputError: the task's own code fails at it.
        """
        return called(self.name, "model", lambda: self._built(seed))

    def _built(self, seed: int) -> nn.Module:
        def examples() -> tuple[Tensor, Tensor]:
            with seeded(0):  # whatever they draw, the weights are those of the seed
                return self._few_examples()

        with seeded(seed), default_for(examples):
            module = self._fresh()
            if not isinstance(module, nn.Module):
                raise InputError(f"Task {self.name!r}: model must make a torch.nn.Module, got {quoted(module)}.")
            if is_unshaped(module):
                give_shapes(module, examples()[0])
        return module

    def _check_positive(self, *fields: str) -> None:
        """Refuse fields that are no positive whole numbers."""
        for field in fields:
            check_positive(f"Task {quoted(self.name)}: {field}", getattr(self, field))

    def _model_identity(self) -> str:
        """16 hex digits of model, loss and metric.

        Raises:
            InputError: see `Task.fingerprint`.
        """
        builds = [self.build(seed) for seed in _SEEDS]
        code = {"model": self.model, "loss": self.loss, "metric": self.metric}
        parts = (identity(function, Part(name, self.name, self.version)) for name, function in code.items())
        return digest(structure(builds, Part("model", self.name, self.version)), *parts)


def called(name: str, part: str, function: Callable[[], _Made]) -> _Made:
    """What the function of a task makes; whatever it raises becomes one sentence."""
    try:
        return function()
    except InputError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise InputError(
            f"Task {quoted(name)}: its {part} function raised {named_line(error)}; call it by itself to see where."
        ) from error


def kind_and_shape(tensor: Tensor) -> str:
    """`float32 (64, 10)`, for a `repr` that never shows data."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def evenly_spread(count: int, total: int) -> tuple[int, ...]:
    """At most `count` of the whole numbers 1 … `total`, evenly spread, ending at `total`."""
    count = min(count, total)
    return tuple(sorted({round(total * (index + 1) / count) for index in range(count)}))


def check_trains(name: str, module: nn.Module) -> None:
    """Check that a task's model has something to train.

    Raises:
        InputError: no parameter requires a gradient, or one has no data or is not of real floating numbers.
    """
    params = {key: param for key, param in module.named_parameters() if param.requires_grad}
    if not params:
        raise InputError(
            f"Task {name!r}: the model has nothing to train, for no parameter requires a gradient; unfreeze some."
        )
    for key, param in params.items():
        if param.is_meta:
            raise InputError(
                f"Task {name!r}: parameter {quoted(key)} is on the meta device and has no data; build the model on the "
                "CPU."
            )
        if not param.is_floating_point():
            raise InputError(
                f"Task {name!r}: parameter {quoted(key)} is of {param.dtype}; what is trained are real "
                "floating numbers."
            )


def num_trained(model: nn.Module) -> int:
    """How many numbers of a model are trained: those of parameters that require gradients."""
    return sum(param.numel() for param in model.parameters() if param.requires_grad)


def is_pretrained(first: nn.Module, second: nn.Module) -> bool:
    """Whether a task's models begin with weights from a training before.

    Of the numbers in weights of two dimensions and more, frozen ones among them, more than half are the same for two
    seeds without being one number throughout, as zeros are.
    """
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    weights = [(own, other) for own, other in pairs if own.ndim > 1]
    same = sum(own.numel() for own, other in weights if torch.equal(own, other) and own.min() < own.max())
    return 2 * same > sum(own.numel() for own, _ in weights)


def is_unshaped(module: nn.Module) -> bool:
    """Whether layers are lazy: they know their shapes when they see their first inputs."""
    return any(map(is_lazy, module.parameters())) or any(map(is_lazy, module.buffers()))


@torch.no_grad()
def give_shapes(module: nn.Module, inputs: Tensor) -> None:
    """One forward pass that leaves nothing behind but the shapes of lazy layers, and their weights."""
    training = {layer: layer.training for layer in module.modules()}
    module.eval()(inputs)
    for layer in module.modules():
        layer.training = training[layer]
