"""An ordinary task as a distribution: every episode is a whole training of a fresh model."""

from dataclasses import dataclass

import torch

from metaopt.contracts import Episodes, FewShotTask, Partition, Split, Task


@dataclass(frozen=True, eq=False)
class TaskEpisodes:
    """Episodes that all have the task's training split as their support set.

    Meta-training is judged on the training split's batches and on validation examples, tests on test examples.
    """

    task: Task

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the task."""
        return self.task.fingerprint

    def sample(self, partition: Partition, count: int, generator: torch.Generator) -> Episodes:
        """The same examples each time, without copies; models and batches are drawn elsewhere."""
        splits = self.task.splits
        query = splits.test if partition == "test" else splits.validation
        return Episodes(*_repeated(splits.train, count), *_repeated(query, count))


def few_shot(task: Task, num_iterations: int = 1000) -> FewShotTask:
    """The task's trainings as few-shot tasks of one kind, with its own horizon and batch size."""
    return FewShotTask(
        name=task.name,
        family=task.family,
        model=task.model,
        episodes=TaskEpisodes(task),
        loss=task.loss,
        metric=task.metric,
        mode=task.mode,
        num_steps=task.num_steps,
        batch_size=task.batch_size,
        num_iterations=num_iterations,
        episodes_per_iteration=4,
        num_evaluated=8,
    )


def _repeated(split: Split, count: int) -> list[torch.Tensor]:
    return [tensor.unsqueeze(0).expand(count, *tensor.shape) for tensor in (split.inputs, split.targets)]
