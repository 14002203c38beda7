"""The gradient for a learner: of the loss on an episode's queries, or on examples of all classes; no inner loop."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, get_args

import torch
from torch import Tensor

from metaopt.contracts import Episodes, FewShotTask, LabelledSource, Partition, Tensors, Theta, default_for
from metaopt.errors import InputError, quoted
from metaopt.inner import failure
from metaopt.learners import RUNNING, Comparison
from metaopt.meta.estimators.contract import Estimate, EstimatorState
from metaopt.seeding import seeded

#: Seeds of what is drawn within a model, such as dropout, lie below this.
_SEEDS = 2**31 - 1
#: Numbers of inputs that go through a backbone side by side in an evaluation.
EVALUATED_TOGETHER = 2**21


@dataclass(frozen=True)
class Comparing:
    """∇_θ of the query loss of whole episodes, each one batch of support set and queries.

    Attributes:
        task: whose episodes, loss and metric.
        comparison: the learner on the features of the task's model.
        device: where to compute.
    """

    task: FewShotTask
    comparison: Comparison
    device: torch.device

    def estimate(
        self, theta: Theta, state: EstimatorState, generator: torch.Generator
    ) -> tuple[Estimate, EstimatorState]:
        """See `Estimator`."""
        episodes = self._drawn(generator).to(self.device)

        def objective(theta: Tensors) -> tuple[Tensor, Tensors]:
            logits, running = self.comparison.logits(theta, episodes, training=True)
            return self._mean(self.task.loss, logits, episodes.query_targets), running

        return _estimate(objective, theta, generator), {}

    @torch.no_grad()
    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int) -> Tensor:
        """See `Estimator`."""
        inputs = episodes.support_inputs
        size = prod(inputs.shape[2:]) * (inputs.shape[1] + episodes.query_inputs.shape[1])
        together = max(1, EVALUATED_TOGETHER // max(1, size))
        metrics = []
        for begin in range(0, len(episodes), together):
            part = Episodes(*(tensor[begin : begin + together] for tensor in episodes.tensors)).to(self.device)
            logits, _ = self.comparison.logits(theta, part)
            with default_for(lambda part=part: part.tensors):  # type: ignore[misc]
                metrics += [
                    self.task.measure(own, targets) for own, targets in zip(logits, part.query_targets, strict=True)
                ]
        return torch.stack(metrics)

    def check(self, theta: Theta) -> None:
        """Compute loss and metric of one episode of each partition.

        Raises:
            InputError: something fails, or gives something else than one number.
        """
        name = self.task.name
        for partition in get_args(Partition):
            generator = torch.Generator().manual_seed(0)
            episode = self.task.sample(partition, 1, generator) if partition != "train" else self._drawn(generator)
            episode = Episodes(*(tensor[:1] for tensor in episode.tensors))
            try:
                with torch.no_grad():
                    logits, _ = self.comparison.logits(theta, episode)
                    with default_for(lambda episode=episode: episode.tensors):  # type: ignore[misc]
                        values = [
                            judge(logits[0], episode.query_targets[0]) for judge in (self.task.loss, self.task.measure)
                        ]
            except InputError as error:
                raise InputError(f"Task {name!r}: {error}") from error
            except Exception as error:  # whatever a stranger's model or loss raises
                params = [weights for weights in theta.values() if weights.is_floating_point()]
                inputs, targets = episode.support_inputs[0], episode.support_targets[0]
                raise failure(name, "an episode", error, inputs, targets, params) from error
            for part, value in zip(("loss", "metric"), values, strict=True):
                if not isinstance(value, Tensor) or value.ndim:
                    raise InputError(
                        f"Task {name!r}: the {part} must be a 0-d tensor, the mean over a set, got {quoted(value)}."
                    )

    def _drawn(self, generator: torch.Generator) -> Episodes:
        """Episodes of meta-training, of as many ways as the learner wants, or as there can be."""
        count, ways = self.task.episodes_per_iteration, int(self.comparison.values.get("ways", 0))
        source = self.task.source
        if not ways or not isinstance(source, LabelledSource):
            return self.task.sample("train", count, generator)
        with default_for(tuple):
            return source.sample_wide(min(ways, source.trained_classes), count, generator)

    def _mean(self, loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor) -> Tensor:
        with default_for(lambda: (logits, targets)):
            return torch.stack([loss(own, of) for own, of in zip(logits, targets, strict=True)]).mean()


@dataclass(frozen=True)
class Classifying:
    """∇_θ of the loss on a batch of examples of all classes; episodes only judge.

    Attributes:
        judged: evaluates on episodes.
    """

    judged: Comparing

    def estimate(
        self, theta: Theta, state: EstimatorState, generator: torch.Generator
    ) -> tuple[Estimate, EstimatorState]:
        """See `Estimator`."""
        task, comparison = self.judged.task, self.judged.comparison
        source = labelled_source(task, f"{comparison.spec.name!r}")
        with default_for(tuple):
            batch = source.sample_labelled(int(comparison.values["batch"]), generator)
        inputs, targets = (tensor.to(self.judged.device) for tensor in batch)

        def objective(theta: Tensors) -> tuple[Tensor, Tensors]:
            logits, running = comparison.class_logits(theta, inputs)
            with default_for(lambda: (inputs, targets)):
                return task.loss(logits, targets), running

        return _estimate(objective, theta, generator), {}

    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int) -> Tensor:
        """See `Estimator`."""
        return self.judged.metrics(theta, episodes, num_steps)


def labelled_source(task: FewShotTask, wanted_by: str) -> LabelledSource:
    """The task's source, if it draws episodes from classes.

    Raises:
        InputError: it does not.
    """
    source = task.source
    if not isinstance(source, LabelledSource):
        raise InputError(
            f"Task {task.name!r}: {wanted_by} needs the classes that episodes are drawn from, and "
            f"{quoted(type(source).__name__)} has episodes alone; give metaopt.ClassEpisodes."
        )
    return source


def _estimate(
    objective: Callable[[Tensors], tuple[Tensor, Tensors]], theta: Theta, generator: torch.Generator
) -> Estimate:
    """The gradient of an objective that gives running statistics beside its value."""
    seed = int(torch.randint(_SEEDS, (), generator=generator))
    leaves = {name: value.detach().clone() for name, value in theta.items()}
    learned = [value for name, value in leaves.items() if is_learned(name, value)]
    with seeded(seed), torch.enable_grad():
        for value in learned:
            value.requires_grad_()
        value, running = objective(leaves)
        gradients: Any = iter(torch.autograd.grad(value, learned, allow_unused=True, materialize_grads=True))
    gradient = {name: next(gradients) for name, value in leaves.items() if is_learned(name, value)}
    return Estimate(gradient, value.detach(), running)


def is_learned(name: str, weights: Tensor) -> bool:
    """Whether an entry of theta is moved by gradients: running statistics are not."""
    return weights.is_floating_point() and not name.startswith(RUNNING)
