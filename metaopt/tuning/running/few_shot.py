"""What a recipe does on few-shot tasks: adapts fresh copies of the task's model, without learning anything itself."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import Episodes, FewShotTask, Float32ByDefault, Partition, default_for, num_trained
from metaopt.inner import check_trains
from metaopt.meta import Learner, MetaTrained, Unrolls, check_adapts, check_vmappable, evaluated_episodes, metrics
from metaopt.plugin import Registry
from metaopt.recipe import MadeOn, Recipe


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


def learned_recipe(
    configuration: Configuration,
    trained: MetaTrained,
    tasks: Sequence[FewShotTask],
    registry: Registry,
    seed: int,
    provenance: Mapping[str, Any] | None = None,
) -> Recipe:
    """A recipe with learned weights, and where they come from."""
    iterations = max(task.num_iterations for task in tasks)
    if trained.skipped:
        warnings.warn(
            f"{trained.skipped:,} of {iterations:,} iterations were left out, for their meta-gradient was not finite; "
            "a lower inner rate, fewer inner steps or clip=1 help.",
            RuntimeWarning,
            stacklevel=3,
        )
    assembly = assemble(configuration, registry)
    sizes = [num_trained(task.build(0)) for task in tasks]
    steps = [inner_steps(assembly, task) for task in tasks]
    batches = [task.batch_size for task in tasks if task.batch_size is not None]
    losses = [_first_loss(task) for task in tasks]
    record = {
        "meta_training": {
            "tasks": {task.name: task.fingerprint for task in tasks},
            "iterations": iterations,
            "batch_norm": sorted({task.batch_norm for task in tasks}),
            "inner_steps": sorted(set(steps)),
            "skipped": trained.skipped,
            "seconds": round(trained.seconds, 1),
            "seed": seed,
        },
        **(provenance or {}),
    }
    return Recipe.create(
        configuration,
        registry=registry,
        theta={name: one.detach().cpu() for name, one in trained.theta.items()},
        made_on=MadeOn(
            parameters=(min(sizes), max(sizes)),
            batch_size=(min(batches), max(batches)) if len(batches) == len(tasks) else None,
            horizon=(_shortest(assembly, min(steps)), max(steps)),
            dtypes=("float32",),
            loss=(min(losses), max(losses)) if all(map(math.isfinite, losses)) else None,
        ),
        provenance=record,
    )


def _shortest(assembly: Assembly, steps: int) -> int:
    """Steps of the shortest training: estimators over whole trainings begin at one truncation."""
    meta = assembly.meta
    if meta is None or meta.truncation is None or not meta.over_trainings:
        return steps
    return min(meta.truncation, steps)


@torch.no_grad()
def _first_loss(task: FewShotTask) -> float:
    """Of a fresh model on examples that are trained on."""
    episode = task.sample("train", 1, torch.Generator().manual_seed(0))
    count = task.batch_size or len(episode.support_inputs[0])
    inputs, targets = (one[0, :count] for one in (episode.support_inputs, episode.support_targets))
    with default_for(lambda: (inputs, targets)):
        return float(task.loss(task.build(0)(inputs), targets))
