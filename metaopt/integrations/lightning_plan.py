"""What a Lightning `Trainer` knows of a coming fit: steps, batch size, and whether weights are pretrained."""

import math
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import BaseFinetuning, GradientAccumulationScheduler


def plan_of(trainer: Trainer, num_optimizers: int = 1) -> dict[str, Any]:
    """Arguments of `recipe.bind` that the trainer knows.

    Args:
        trainer: about to fit.
        num_optimizers: how many step once a batch: the trainer's `max_steps` counts the steps of all.

    Returns:
        `total_steps` that are left, None where nothing ends the fit; `batch_size`, of the training loader times
        accumulation times ranks, and `pretrained`, where they are known.
    """
    trainer.fit_loop.setup_data()  # the loader, as `estimated_stepping_batches` sets it up; the fit does so once
    accumulations = _accumulations(trainer)
    plan: dict[str, Any] = {"total_steps": _total_steps(trainer, accumulations, num_optimizers)}
    loader = trainer.train_dataloader
    size = getattr(loader, "batch_size", None) or getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    if isinstance(size, int) and len(set(accumulations)) == 1:
        plan["batch_size"] = size * accumulations[0] * trainer.world_size
    if any(isinstance(callback, BaseFinetuning) for callback in _callbacks(trainer)):
        plan["pretrained"] = True
    return plan


def _accumulations(trainer: Trainer) -> list[int]:
    """Batches a step: of each epoch where they change, else one number for all."""
    epochs = range(max(trainer.max_epochs or 0, 1))
    for callback in _callbacks(trainer):
        if isinstance(callback, GradientAccumulationScheduler):
            return [callback.get_accumulate_grad_batches(epoch) for epoch in epochs]
    return [trainer.accumulate_grad_batches]


def _total_steps(trainer: Trainer, accumulations: list[int], num_optimizers: int) -> int | None:
    planned = trainer.estimated_stepping_batches
    most = math.inf if trainer.max_steps == -1 else math.ceil(trainer.max_steps / num_optimizers)
    if trainer.max_epochs == -1 or math.isinf(trainer.num_training_batches):
        planned = most
    elif len(accumulations) > 1:
        planned = sum(math.ceil(trainer.num_training_batches / batches) for batches in accumulations)
    # A trainer that fits once more goes on to count; one that is about to resume from a checkpoint has yet to begin.
    planned = min(planned, most) - trainer.global_step // num_optimizers
    return int(planned) if 0 < planned < math.inf else None


def _callbacks(trainer: Trainer) -> list[Any]:
    return list(trainer.callbacks)  # type: ignore[attr-defined]
