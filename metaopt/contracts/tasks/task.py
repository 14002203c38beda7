"""A task: what is trained, on what, how it is judged, and for how long."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from torch import Tensor, nn

from metaopt.contracts.default_dtype import default_for
from metaopt.contracts.fingerprints import Part, digest, identity, tensor_identity
from metaopt.contracts.rates.rate_law import Scale
from metaopt.contracts.stopper import Mode
from metaopt.contracts.tasks.draws import ALL_REDRAWN, PLENTY, REDRAWN, Redraw
from metaopt.contracts.tasks.model_task import (
    Augment,
    LossFunction,
    ModelTask,
    called,
    evenly_spread,
    is_pretrained,
    kind_and_shape,
    num_trained,
)
from metaopt.contracts.tasks.own_space import check_taken, checked_space, own_values, taken
from metaopt.errors import InputError, known_keywords, listed, quoted
from metaopt.space import Space, Value, defaults


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        return f"Split(inputs={kind_and_shape(self.inputs)}, targets={kind_and_shape(self.targets)})"


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
@dataclass(frozen=True, eq=False, repr=False)
class Task(ModelTask):
    """A supervised training task.

    Attributes:
        name: unique within a corpus.
        family: tasks of one family resemble each other.
        model: makes a fresh `nn.Module` from torch's random generator, which the engine seeds; called with those
            hyperparameters of `space` that it takes by name.
        data: the splits, or a function that makes them when they are first needed.
        loss: `(output, targets) -> 0-d tensor`, the mean over a batch; differentiable.
        metric: the same signature; what validations and reports measure. The loss if left out.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        batch_size: examples a training step; with `batch_size_of`, what that makes of the defaults.
        num_steps: training steps of a run (its horizon).
        num_validations: validations of a run, spread evenly; the last one follows the last step.
        widened: makes the model with hidden layers so many times as wide, where the task can; comparisons at ten times
            the parameters ask for it.
        redraw: divides the rows anew by seed (see `metaopt.contracts.tasks.draws`), where nobody minds which of them
            train; None where the division is part of the task.
        augment: `(inputs, generator) -> inputs` of the same shape, which every training batch goes through, so that a
            model sees each example a little different each time; validations and tests see them as they are. What it
            draws comes from the generator alone, which seed and step decide: members of one seed that train side by
            side see the same, in the plain loop too.
        version: stands in the fingerprint for code whose source cannot be read (typed into a plain `python`, run by
            `exec`, compiled from C); change it when that code changes. Code that can be read counts by itself.
        resources: what a training needs where a cluster runs it: `num_cpus` (1 if left out), `num_gpus`, fractions
            included, or the cluster's own names. Nothing that is trained depends on it, nor does the fingerprint.
        space: hyperparameters of the task's own, which are searched beside the optimizer's: a `Float`, `Int` or
            `Categorical` by name. `model` and `batch_size_of` take them by name. What does not state them, such as a
            baseline, trains at their defaults. Tasks of a corpus that share a name share the hyperparameter.
        batch_size_of: makes the batch size from hyperparameters of `space`, in the place of `batch_size`.
    """

    name: str
    family: str
    model: Callable[..., nn.Module]
    data: Splits | Callable[[], Splits]
    loss: LossFunction
    metric: LossFunction | None = None
    mode: Mode = "min"
    batch_size: int = 64
    num_steps: int = 300
    num_validations: int = 20
    widened: Callable[[float], nn.Module] | None = None
    version: str | None = None
    redraw: Redraw | None = None
    augment: Augment | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    space: Space = field(default_factory=dict)
    batch_size_of: Callable[..., int] | None = None

    def __post_init__(self) -> None:
        self._check_names()
        object.__setattr__(self, "space", checked_space(self.name, self.space))
        functions: dict[str, Callable[..., Any]] = {"model": self.model}
        if self.batch_size_of is not None:
            if not callable(self.batch_size_of):
                raise InputError(
                    f"Task {quoted(self.name)}: batch_size_of is a function of hyperparameters of space, got "
                    f"{quoted(self.batch_size_of)}; a number is batch_size."
                )
            functions["batch_size_of"] = self.batch_size_of
        check_taken(self.name, self.space, functions)
        object.__setattr__(self, "batch_size", self._batch_size_at(defaults(self.space)))
        self._check_positive("batch_size", "num_steps", "num_validations")

    def with_values(self, values: Mapping[str, Value]) -> "Task":
        """The task at values of its own hyperparameters, which it then no longer has; itself where it has none.

        Args:
            values: by name; what is absent has its default, and what is not the task's own is left out.

        Raises:
            InputError: a value is not valid, or the task's own code fails at the values.
        """
        if not self.space:
            return self
        own = own_values(self.name, self.space, values)
        return replace(
            self,
            model=partial(self.model, **taken(self.model, own)),
            widened=None if self.widened is None else partial(self.widened, **taken(self.widened, own)),
            batch_size=self._batch_size_at(own),
            data=self.splits,
            space={},
            batch_size_of=None,
        )

    def _batch_size_at(self, values: Mapping[str, Value]) -> int:
        function = self.batch_size_of
        if function is None:
            return self.batch_size
        return called(self.name, "batch_size_of", lambda: function(**taken(function, values)))

    def _fresh(self) -> Any:
        return self.model(**taken(self.model, defaults(self.space))) if self.space else self.model()

    @cached_property
    def splits(self) -> Splits:
        """The data, made once; InputError if the task's own code fails at it."""
        if isinstance(self.data, Splits):
            return self.data
        with default_for(tuple):
            return called(self.name, "data", self.data)

    def at(self, seed: int) -> "Task":
        """The task with the splits of a seed; itself where its rows are not drawn by that one.

        Raises:
            InputError: the task's own code fails at it, or its splits are of other shapes than the task's.
        """
        redraw = self.redraw
        if redraw is None or self.draw(seed) is None:
            return self
        with default_for(tuple):
            splits = called(self.name, "redraw", lambda: redraw(seed, test=self.draws_test(seed)))
        shapes = [[tuple(tensor.shape) for tensor in _tensors(each)] for each in (self.splits, splits)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"Task {self.name!r}: redraw must keep the sizes of all splits, {shapes[0]}, got {shapes[1]}."
            )
        return replace(self, data=splits)

    def draw(self, seed: int) -> int | None:
        """What tells the splits of a seed from those of others; None for the task's own."""
        return None if self.redraw is None or seed < REDRAWN else seed

    def draws_test(self, seed: int) -> bool:
        """Whether a seed draws test rows, too."""
        return self.redraw is not None and seed >= ALL_REDRAWN

    @property
    def is_redrawn(self) -> bool:
        """Whether choices are made over several divisions: the task can be divided anew, and has few rows."""
        return self.redraw is not None and len(self.splits.validation) < PLENTY

    @cached_property
    def scale(self) -> Scale:
        """What laws of rates are resolved for: the model's trainable numbers, `batch_size`, `num_steps`."""
        return Scale(num_trained(self.build(0)), self.batch_size, self.num_steps)

    @cached_property
    def is_pretrained(self) -> bool:
        """Whether its models begin with weights from a training before: the same for every seed."""
        return is_pretrained(self.build(0), self.build(1))

    @property
    def validation_steps(self) -> tuple[int, ...]:
        """Steps completed at each validation: evenly spread, ending at `num_steps`."""
        return evenly_spread(self.num_validations, self.num_steps)

    def _few_examples(self) -> tuple[Tensor, Tensor]:
        train = self.splits.train
        return train.inputs[:2], train.targets[:2]

    def _sizes(self) -> dict[str, Any]:
        splits = self.data if isinstance(self.data, Splits) else vars(self).get("splits")
        examples = {} if splits is None else {"train": len(splits.train), "validation": len(splits.validation)}
        own = {"space": listed(self.space)} if self.space else {}
        return {"batch_size": self.batch_size, "num_steps": self.num_steps, **examples, **own}

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of data, model, loss, metric, augmentation and budget: equal fingerprints mean the same task.

        The model counts by its structure (modules, constructor arguments, shapes, and the values that no seed decides,
        such as pretrained or frozen weights) and by the code of its factory; the others count by their code. Code
        is a function's syntax tree, so comments, layout, docstrings and type hints do not count; its constants,
        defaults and closure, and in turn the user's own functions, classes and globals that it refers to. What comes
        from a library counts by its name, whatever its version.

        Raises:
            InputError: the task's own code fails; some of it has no source that can be read, and there is no `version`.
        """
        budget = (self.name, self.family, self.mode, self.batch_size, self.num_steps, self.num_validations)
        data = [tensor_identity(tensor) for tensor in _tensors(self.splits)]
        changes = [] if self.augment is None else [identity(self.augment, Part("augment", self.name, self.version))]
        own = []
        if self.space:  # its ranges decide what is proposed, its defaults what trains
            batch = identity(self.batch_size_of, Part("batch_size_of", self.name, self.version))
            own = [ascii(sorted(defaults(self.space).items())), batch]
        return digest(ascii((budget, self.version)), self._model_identity(), *data, *changes, *own)


def _tensors(splits: Splits) -> list[Tensor]:
    parts = (splits.train, splits.validation, splits.test)
    return [tensor for part in parts for tensor in (part.inputs, part.targets)]
