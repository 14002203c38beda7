"""How well a rule adapts fresh copies of a model: the metric after its steps, on episodes that are always the same."""

from collections.abc import Mapping

import torch
from torch import Tensor

from metaopt.configuration import Assembly, assemble
from metaopt.contracts import Episodes, FewShotTask, Float32ByDefault, Partition, Tensors, check_trains
from metaopt.meta.learner import Learner
from metaopt.meta.sampling import draw_batches, draw_starts
from metaopt.meta.unrolls import Unrolls, Window
from metaopt.meta.vmappable import check_adapts, check_vmappable
from metaopt.plugin import Registry
from metaopt.recipe import Recipe

#: Episodes that are evaluated side by side at most; fewer where they need much memory.
SIDE_BY_SIDE = 100
#: Of the episodes that validations and tests see; the same for all.
EVALUATION_SEED = {"validation": 1_000_003, "test": 1_000_033}


def evaluated_episodes(task: FewShotTask, partition: Partition, count: int | None = None) -> Episodes:
    """The episodes that validations and tests see, always the same; `num_evaluated` unless told otherwise."""
    generator = torch.Generator().manual_seed(EVALUATION_SEED[partition])
    return task.sample(partition, count or task.num_evaluated, generator)


@torch.no_grad()
def metrics(unrolls: Unrolls, theta: Tensors, episodes: Episodes, num_steps: int, seed: int = 0) -> Tensor:
    """The metric of each episode after so many steps, lower is better, shape (episodes,)."""
    task = unrolls.learner.task
    generator = torch.Generator().manual_seed(seed)
    found = []
    size = min(SIDE_BY_SIDE, unrolls.side_by_side(episodes))
    for begin in range(0, len(episodes), size):
        part = Episodes(*(tensor[begin : begin + size] for tensor in episodes.tensors))
        batches = draw_batches(task, part, num_steps, generator)
        starts = draw_starts(unrolls, len(part), generator)
        found.append(unrolls.adapted(theta, Window(part, batches, 0, num_steps, num_steps), starts)[2])
    return torch.cat(found)


def inner_steps(assembly: Assembly, task: FewShotTask) -> int:
    """Steps on a support set: those that a learned rule was meta-trained for, else the task's."""
    return int(assembly.meta_values.get("inner_steps", 0)) or task.num_steps


def few_shot_metrics(
    recipe: Recipe,
    task: FewShotTask,
    registry: Registry,
    *,
    partition: Partition = "test",
    num_steps: int | None = None,
    count: int | None = None,
    seed: int = 0,
) -> Tensor:
    """The metric of each of a task's evaluated episodes after adapting, as the user's metric, shape (episodes,).

    Args:
        recipe: a rule, with its weights if it is learned.
        task: whose episodes.
        registry: where plugins are.
        partition: whose classes or tasks.
        num_steps: on a support set; see `inner_steps` if left out.
        count: episodes; the task's `num_evaluated` if left out.
        seed: of fresh models and batches; the episodes are always the same.
    """
    assembly = assemble(recipe.configuration, registry)
    episodes = evaluated_episodes(task, partition, count)
    return task.sign * adapted_metrics(assembly, recipe.theta or {}, task, episodes, num_steps, seed)


@Float32ByDefault()
def adapted_metrics(
    assembly: Assembly,
    theta: Mapping[str, Tensor],
    task: FewShotTask,
    episodes: Episodes,
    num_steps: int | None = None,
    seed: int = 0,
) -> Tensor:
    """The metric of each episode, lower is better, shape (episodes,)."""
    check_trains(task.name, task.build(0))
    learner = Learner(task, assembly)
    check_adapts(learner, episodes)
    check_vmappable(learner, episodes.support_inputs[0, :2], episodes.support_targets[0, :2])
    unrolls = Unrolls(learner, theta)
    return metrics(unrolls, dict(theta), episodes, num_steps or inner_steps(assembly, task), seed)
