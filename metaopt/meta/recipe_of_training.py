"""A recipe of what meta-training learned, with where its weights come from and what they were learned on."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import FewShotTask, default_for, num_trained
from metaopt.meta.evaluation import inner_steps
from metaopt.meta.state import MetaTrained
from metaopt.plugin import Registry
from metaopt.recipe import MadeOn, Recipe


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
