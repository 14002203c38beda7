"""How well a rule adapts fresh copies of a model: the metric after its steps, on episodes that are always the same."""

import torch
from torch import Tensor

from metaopt.configuration import Assembly, assemble
from metaopt.contracts import Episodes, FewShotTask, Float32ByDefault, Partition, Theta, check_trains
from metaopt.errors import InputError
from metaopt.learners import fitting
from metaopt.meta.estimators.comparing import Comparing
from metaopt.meta.inner_loop import InnerLoop, inner_steps
from metaopt.meta.subject import comparison_on
from metaopt.meta.unrolls import Unrolls
from metaopt.meta.vmapped_episode import check_adapts
from metaopt.plugin import LearnerSpec, Registry
from metaopt.recipe import Recipe


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
    episodes = task.evaluated_episodes(partition, count)
    return task.sign * adapted_metrics(assembly, recipe.theta or {}, task, episodes, num_steps, seed)


@Float32ByDefault()
def adapted_metrics(
    assembly: Assembly,
    theta: Theta,
    task: FewShotTask,
    episodes: Episodes,
    num_steps: int | None = None,
    seed: int = 0,
) -> Tensor:
    """The metric of each episode, lower is better, shape (episodes,)."""
    if assembly.learner is not None:
        return compared_metrics(assembly, assembly.learner, theta, task, episodes, seed)
    check_trains(task.name, task.build(0))
    inner_loop = InnerLoop(task, assembly)
    check_adapts(inner_loop, episodes)
    unrolls = Unrolls(inner_loop, theta)
    return unrolls.metrics(dict(theta), episodes, num_steps or inner_steps(assembly, task), seed)


def compared_metrics(
    assembly: Assembly, spec: LearnerSpec, theta: Theta, task: FewShotTask, episodes: Episodes, seed: int = 0
) -> Tensor:
    """The metric of each episode by a learner, lower is better; without weights on features as a fresh model's are."""
    comparison = comparison_on(assembly, spec, task, seed)
    try:
        fitted = fitting(comparison, theta)
    except InputError as error:
        raise InputError(f"Task {task.name!r}: {error}") from error
    return Comparing(task, comparison, torch.device("cpu")).metrics(fitted, episodes, 1)
