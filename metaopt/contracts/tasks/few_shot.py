"""A distribution of few-shot tasks: what learned starts and rules are meta-trained on, episode by episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from metaopt.contracts.default_dtype import default_for
from metaopt.contracts.fingerprints import Part, digest, identity
from metaopt.contracts.stopper import Mode
from metaopt.contracts.tasks.model_task import LossFunction, ModelTask, called, evenly_spread, kind_and_shape
from metaopt.errors import InputError, known_keywords, quoted

#: Episodes of `train` meta-train, those of `validation` choose, those of `test` are reported.
Partition: TypeAlias = Literal["train", "validation", "test"]
"""A part of the classes or tasks: those of meta-training, meta-validation and meta-testing."""

#: Whose statistics a batch norm layer normalises by; see `metaopt.pure_layers.batch_norm`.
BatchNormPolicy: TypeAlias = Literal["batch", "support", "frozen"]

#: Seeds of the episodes that validations and tests see; the same for all.
EVALUATION_SEED = {"validation": 1_000_003, "test": 1_000_033}

_BUDGETS = ("num_steps", "num_iterations", "episodes_per_iteration", "num_validations", "num_evaluated")


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class Episodes:
    """Few-shot tasks side by side: a model adapts to the support set and is judged on the query set.

    Attributes:
        support_inputs: shape (episodes, n, …).
        support_targets: shape (episodes, n, …).
        query_inputs: shape (episodes, m, …).
        query_targets: shape (episodes, m, …).
    """

    support_inputs: Tensor
    support_targets: Tensor
    query_inputs: Tensor
    query_targets: Tensor

    def __post_init__(self) -> None:
        shapes = [tuple(tensor.shape[:2]) for tensor in self.tensors]
        if shapes[0] != shapes[1] or shapes[2] != shapes[3] or shapes[0][0] != shapes[2][0]:
            raise InputError(
                "Episodes need support inputs and targets of shape (episodes, n, …) and query ones of shape "
                f"(episodes, m, …), got leading shapes {shapes}."
            )

    def __len__(self) -> int:
        return len(self.support_inputs)

    def __repr__(self) -> str:
        shapes = (f"{name}={kind_and_shape(tensor)}" for name, tensor in vars(self).items())
        return f"Episodes({', '.join(shapes)})"

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Support inputs and targets, query inputs and targets."""
        return self.support_inputs, self.support_targets, self.query_inputs, self.query_targets

    def to(self, device: torch.device) -> "Episodes":
        """The same, on a device."""
        return Episodes(*(tensor.to(device) for tensor in self.tensors))


@runtime_checkable
class EpisodeSource(Protocol):
    """Where episodes come from."""

    @property
    def fingerprint(self) -> str:
        """Two sources of equal fingerprint draw the same episodes from equal generators."""
        ...

    def sample(self, partition: Partition, count: int, generator: torch.Generator) -> Episodes:
        """Draw `count` episodes that depend on the generator alone."""
        ...


@runtime_checkable
class LabelledSource(EpisodeSource, Protocol):
    """A source whose episodes are drawn from classes of examples, which learners may see in other ways, too."""

    @property
    def trained_classes(self) -> int:
        """Classes of meta-training."""
        ...

    def sample_wide(self, ways: int, count: int, generator: torch.Generator) -> Episodes:
        """Episodes of meta-training, of so many classes in place of the usual number."""
        ...

    def sample_labelled(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Examples of meta-training and their classes, counted from 0, shape (count, …) and (count,)."""
        ...


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class FewShotTask(ModelTask):
    """Few-shot tasks of one kind.

    Attributes:
        name: unique within a corpus.
        family: tasks of one family resemble each other.
        model: makes a fresh `nn.Module` from torch's random generator.
        episodes: a source of episodes, or a function that makes it when it is first needed.
        loss: `(output, targets) -> 0-d tensor`, the mean over a set; differentiable.
        metric: the same signature; what is validated and reported. The loss if left out.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        num_steps: training steps on a support set (the inner loop's horizon).
        batch_size: examples a training step, drawn from the support set; None for all of it, each time.
        num_iterations: updates of the learned weights in meta-training.
        episodes_per_iteration: episodes that one of them averages over (the meta-batch).
        num_validations: validations of a meta-training, spread evenly; the last one follows the last iteration.
        num_evaluated: episodes that a validation, and a test, averages over; the same ones each time.
        batch_norm: whose statistics batch norm layers normalise by: `"batch"` those of the examples at hand, queries
            among themselves too (transductive, as MAML's); `"support"` those of the support set; `"frozen"` the
            layer's own running ones, as they are.
        features: the part of the model whose output learners compare, as in `named_modules`; its `features` if it has
            such a part, else what its last linear layer is given. Rules do not look at it.
        version: stands in the fingerprint for code whose source cannot be read; see `Task`.
        resources: see `Task`.
    """

    name: str
    family: str
    model: Callable[[], nn.Module]
    episodes: EpisodeSource | Callable[[], EpisodeSource]
    loss: LossFunction
    metric: LossFunction | None = None
    mode: Mode = "min"
    num_steps: int = 5
    batch_size: int | None = None
    num_iterations: int = 1000
    episodes_per_iteration: int = 4
    num_validations: int = 10
    num_evaluated: int = 200
    batch_norm: BatchNormPolicy = "batch"
    features: str | None = None
    version: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_names()
        self._check_positive(*_BUDGETS, *(() if self.batch_size is None else ("batch_size",)))
        if self.batch_norm not in ("batch", "support", "frozen"):
            raise InputError(
                f"Task {self.name!r}: batch_norm must be 'batch', 'support' or 'frozen', got {quoted(self.batch_norm)}."
            )
        if self.features is not None and not isinstance(self.features, str):
            raise InputError(
                f"Task {self.name!r}: features must be the name of a part of the model, got {quoted(self.features)}."
            )

    @cached_property
    def source(self) -> EpisodeSource:
        """Where episodes come from; InputError if the task's own code fails at it."""
        if isinstance(self.episodes, EpisodeSource):
            return self.episodes
        return called(self.name, "episodes", self.episodes)

    def sample(self, partition: Partition, count: int, generator: torch.Generator) -> Episodes:
        """Draw `count` episodes that depend on the generator alone."""
        with default_for(tuple):
            return self.source.sample(partition, count, generator)

    def evaluated_episodes(self, partition: Partition, count: int | None = None) -> Episodes:
        """The episodes that validations and tests see, always the same.

        Args:
            partition: `"validation"` or `"test"`.
            count: how many; `num_evaluated` if left out.
        """
        generator = torch.Generator().manual_seed(EVALUATION_SEED[partition])
        return self.sample(partition, count or self.num_evaluated, generator)

    @property
    def validation_iterations(self) -> tuple[int, ...]:
        """Iterations completed at each validation: evenly spread, ending at `num_iterations`."""
        return evenly_spread(self.num_validations, self.num_iterations)

    def _few_examples(self) -> tuple[Tensor, Tensor]:
        return self.examples

    def _sizes(self) -> dict[str, Any]:
        return {"num_steps": self.num_steps, "batch_size": self.batch_size, "num_iterations": self.num_iterations}

    @cached_property
    def examples(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets of one support set to meta-train on, always the same."""
        episode = self.sample("train", 1, torch.Generator().manual_seed(0))
        return episode.support_inputs[0], episode.support_targets[0]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of episodes, model, loss, metric and budget: two equal fingerprints mean the same task.

        Episodes count by their source's fingerprint and its class; the rest counts as in `Task.fingerprint`.

        Raises:
            InputError: the task's own code fails; some of it has no source that can be read, and there is no `version`.
        """
        budget = [getattr(self, field) for field in _BUDGETS]
        settings: tuple[Any, ...] = (
            *(self.name, self.family, self.mode, self.batch_size, self.batch_norm, budget, self.version),
            *(() if self.features is None else (self.features,)),
        )
        drawn = identity(type(self.source), Part("episodes", self.name, self.version))
        return digest(ascii(settings), self._model_identity(), str(self.source.fingerprint), drawn)
