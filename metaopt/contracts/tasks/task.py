"""A task: what is trained, on what, how it is judged, and for how long."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias, TypeVar

from torch import Tensor, nn

from metaopt.contracts.default_dtype import default_for
from metaopt.contracts.fingerprints import Part, digest, identity, structure, tensor_identity
from metaopt.contracts.stopper import Mode
from metaopt.contracts.tasks.building import built
from metaopt.errors import InputError, is_interrupt, known_keywords, named_line, quoted
from metaopt.files import is_utf8

_Made = TypeVar("_Made")

LossFunction: TypeAlias = Callable[[Tensor, Tensor], Tensor]

#: What a model's values are compared under: those that differ are drawn, and no part of a task.
_SEEDS = (0, 1)


@known_keywords()
@dataclass(frozen=True, eq=False)
class Split:
    """Examples side by side.

    Attributes:
        inputs: shape (n, ...).
        targets: shape (n, ...).
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise InputError(f"A split has {len(self.inputs)} inputs but {len(self.targets)} targets.")

    def __len__(self) -> int:
        return len(self.inputs)


@known_keywords()
@dataclass(frozen=True, eq=False)
class Splits:
    """Data of a task. Tuning, stopping and the choice of a checkpoint see `validation`; reports see `test` alone."""

    train: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            if len(getattr(self, name)) == 0:
                raise InputError(f"The {name} split is empty; a task needs examples in all three.")


@known_keywords()
@dataclass(frozen=True, eq=False)
class Task:
    """A supervised training task.

    Attributes:
        name: unique within a corpus.
        family: tasks of one family resemble each other.
        model: makes a fresh `nn.Module` from torch's random generator, which the engine seeds.
        data: the splits, or a function that makes them when they are first needed.
        loss: `(output, targets) -> 0-d tensor`, the mean over a batch; differentiable.
        metric: the same signature; what validations and reports measure. The loss if left out.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        batch_size: examples a training step.
        num_steps: training steps of a run (its horizon).
        num_validations: validations of a run, spread evenly; the last one follows the last step.
        widened: makes the model with hidden layers so many times as wide, where the task can; comparisons at ten times
            the parameters ask for it.
        version: stands in the fingerprint for code whose source cannot be read (typed into a plain `python`, run by
            `exec`, compiled from C); change it when that code changes. Code that can be read counts by itself.
    """

    name: str
    family: str
    model: Callable[[], nn.Module]
    data: Splits | Callable[[], Splits]
    loss: LossFunction
    metric: LossFunction | None = None
    mode: Mode = "min"
    batch_size: int = 64
    num_steps: int = 300
    num_validations: int = 20
    widened: Callable[[float], nn.Module] | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        check_identity(self.name, self.family, self.mode, self.version)
        for field in ("batch_size", "num_steps", "num_validations"):
            value = getattr(self, field)
            if not isinstance(value, int) or value < 1:
                raise InputError(
                    f"Task {quoted(self.name)}: {field} must be a positive whole number, got {quoted(value)}."
                )

    @cached_property
    def splits(self) -> Splits:
        """The data, made once; InputError if the task's own code fails at it."""
        if isinstance(self.data, Splits):
            return self.data
        with default_for(tuple):
            return called(self.name, "data", self.data)

    @property
    def sign(self) -> float:
        """+1 if the metric is better when lower, else -1."""
        return 1.0 if self.mode == "min" else -1.0

    def measure(self, output: Tensor, targets: Tensor) -> Tensor:
        """The metric times its sign, so that lower is better."""
        return self.sign * (self.metric or self.loss)(output, targets)

    @property
    def validation_steps(self) -> tuple[int, ...]:
        """Steps completed at each validation: evenly spread, ending at `num_steps`."""
        return evenly_spread(self.num_validations, self.num_steps)

    def build(self, seed: int) -> nn.Module:
        """A fresh model whose weights depend on `seed` alone; the global generator is left as it was.

        Raises:
            InputError: the task's own code fails at it.
        """
        return called(self.name, "model", lambda: built(self.name, self.model, seed, self._examples))

    def _examples(self) -> tuple[Tensor, Tensor]:
        train = self.splits.train
        return train.inputs[:2], train.targets[:2]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of data, model, loss, metric and budget: two equal fingerprints mean the same task.

        The model counts by its structure (modules, constructor arguments, shapes, and the values that no seed decides,
        such as pretrained or frozen weights) and by the code of its factory; loss and metric count by their code. Code
        is a function's syntax tree, so comments, layout, docstrings and type hints do not count; its constants,
        defaults and closure, and in turn the user's own functions, classes and globals that it refers to. What comes
        from a library counts by its name, whatever its version.

        Raises:
            InputError: the task's own code fails; some of it has no source that can be read, and there is no `version`.
        """
        budget = (self.name, self.family, self.mode, self.batch_size, self.num_steps, self.num_validations)
        data = [tensor_identity(tensor) for tensor in _tensors(self.splits)]
        return digest(ascii((budget, self.version)), what_is_trained(self), *data)


@known_keywords()
@dataclass(frozen=True, eq=False)
class BlackBoxTask:
    """A training job seen from outside: how a Lightning or transformers job is tuned.

    Attributes:
        name: unique within a corpus.
        family: tasks of one family resemble each other.
        train: `(recipe, seed) -> iterator of (step, value)`: trains with the recipe and yields its validations. It may
            yield `(step, value, test_value)` to have test values reported.
        mode: `"min"` if the value is better when lower, `"max"` if when higher.
        num_steps: planned number of steps, or None to take the last step yielded.
        version: stands in the fingerprint for code whose source cannot be read; see `Task`. Raise it too when
            something changes that `train` finds outside its code: files, servers, versions of libraries.
    """

    name: str
    family: str
    train: Callable[[Any, int], Iterator[tuple[float, ...]]]
    mode: Mode = "min"
    num_steps: int | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        check_identity(self.name, self.family, self.mode, self.version)

    @property
    def sign(self) -> float:
        """+1 if the value is better when lower, else -1."""
        return 1.0 if self.mode == "min" else -1.0

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of names, budget, version and the code of `train`, which counts as a loss of a `Task` does.

        Raises:
            InputError: some of that code has no source that can be read, and there is no `version`.
        """
        budget = (self.name, self.family, self.mode, self.num_steps, self.version)
        return digest(ascii(budget), identity(self.train, Part("train", self.name, self.version)))


class _Trained(Protocol):
    """What `Task` and `FewShotTask` share."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> Callable[[], nn.Module]: ...
    @property
    def loss(self) -> LossFunction: ...
    @property
    def metric(self) -> LossFunction | None: ...
    @property
    def version(self) -> str | None: ...
    def build(self, seed: int) -> nn.Module:
        """A fresh model."""
        ...


def what_is_trained(task: _Trained) -> str:
    """16 hex digits of a task's model, loss and metric.

    Raises:
        InputError: see `Task.fingerprint`.
    """
    builds = [task.build(seed) for seed in _SEEDS]
    code = {"model": task.model, "loss": task.loss, "metric": task.metric}
    parts = (identity(function, Part(name, task.name, task.version)) for name, function in code.items())
    return digest(structure(builds, Part("model", task.name, task.version)), *parts)


def check_identity(name: str, family: str, mode: str, version: str | None) -> None:
    """Refuse a task without a name or family, with an unknown mode, or with a version that is no text."""
    if not name or not family:
        raise InputError(f"A task needs a name and a family, got name={quoted(name)}, family={quoted(family)}.")
    for text in (name, family):
        if not isinstance(text, str) or not is_utf8(text):
            raise InputError(f"A task's name and family are text that files can hold, got {quoted(text)}.")
    if mode not in ("min", "max"):
        raise InputError(f"Task {quoted(name)}: mode must be 'min' or 'max', got {quoted(mode)}.")
    if version is not None and not isinstance(version, str):
        raise InputError(f"Task {quoted(name)}: version must be a text such as '1', got {quoted(version)}.")


def evenly_spread(count: int, total: int) -> tuple[int, ...]:
    """At most `count` of the whole numbers 1 … `total`, evenly spread, ending at `total`."""
    count = min(count, total)
    return tuple(sorted({round(total * (index + 1) / count) for index in range(count)}))


def called(name: str, part: str, function: Callable[[], _Made]) -> _Made:
    """What a stranger's function makes; whatever it raises becomes one sentence."""
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


def _tensors(splits: Splits) -> list[Tensor]:
    parts = (splits.train, splits.validation, splits.test)
    return [tensor for part in parts for tensor in (part.inputs, part.targets)]
