"""One training of one contender on one task, in an ordinary loop."""

import math
import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

import metaopt
from benchmarks.recipes.drop_in_models import renew_statistics
from benchmarks.recipes.travel.task import Batch, TravelTask


@dataclass(frozen=True)
class Contender:
    """Who trains.

    Attributes:
        name: how tables call it.
        recipe: what it trains with.
        scale_rate: None leaves `bind` its default; False leaves out the recipe's law of the rate.
    """

    name: str
    recipe: metaopt.Recipe
    scale_rate: bool | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a training. Losses that are not finite are None.

    Attributes:
        validations: the loss at each validation, in order.
        first_validation: validation loss before the first step.
        first_test: test loss before the first step.
        validation: the best validation loss after a step.
        test: test loss at the best validation.
        steps: steps taken.
        seconds: processor time of the whole training, validations included.
        milliseconds: median time of a step, forward and backward pass included.
    """

    validations: list[float | None]
    first_validation: float | None
    first_test: float | None
    validation: float | None
    test: float | None
    steps: int
    seconds: float
    milliseconds: float

    @property
    def loss(self) -> float:
        """Test loss at the best validation; the one before training if no validation was better than that one."""
        if self.first_test is None or self.first_validation is None:
            raise ValueError("A model's loss before training must be finite.")
        is_better = self.validation is not None and self.validation <= self.first_validation
        return self.test if is_better and self.test is not None else self.first_test


def train(task: TravelTask, contender: Contender, seed: int) -> Outcome:
    """Train and judge: weights, batches and validations depend on task and seed alone."""
    begun = time.process_time()
    data, model = task.data, task.build(seed)
    validation, test = data.validation.judging(), data.test.judging()
    model.eval()
    first = [loss_on(task, model, batches) for batches in (validation, test)]
    model.train()
    torch.manual_seed(seed + 1)  # dropout and latents
    batches = data.training.batches(task.batch_size, torch.Generator().manual_seed(seed))
    scaling = {} if contender.scale_rate is None else {"scale_rate": contender.scale_rate}
    run = contender.recipe.bind(model, total_steps=task.num_steps, batch_size=task.batch_size, **scaling)
    every, taken, losses = max(1, task.num_steps // task.num_validations), [], []
    for step in range(1, task.num_steps + 1):
        batch, start = next(batches), time.perf_counter()
        run.optimizer.zero_grad()
        loss = task.loss(model, batch)
        loss.backward()
        run.step(loss)
        taken.append(time.perf_counter() - start)
        if step % every == 0 or step == task.num_steps:
            with run.evaluating():
                renew(model, task)
                losses.append(loss_on(task, model, validation))
            if run.observe(losses[-1]).stop:
                break
    best, test_loss = run.best_value, None
    if best is not None:
        run.restore_best()
        model.eval()
        test_loss = finite(loss_on(task, model, test))
    return Outcome(
        validations=[finite(value) for value in losses],
        first_validation=finite(first[0]),
        first_test=finite(first[1]),
        validation=finite(best),
        test=test_loss,
        steps=step,
        seconds=round(time.process_time() - begun, 2),
        milliseconds=round(1e3 * statistics.median(taken), 2),
    )


def renew(model: nn.Module, task: TravelTask) -> None:
    batches = task.data.training.batches(task.batch_size, torch.Generator().manual_seed(0))
    renew_statistics(model, (inputs for inputs, _ in batches))


@torch.no_grad()
def loss_on(task: TravelTask, model: nn.Module, batches: list[Batch]) -> float:
    sizes = [len(targets) for _, targets in batches]
    losses = [task.loss(model, batch).item() for batch in batches]
    return sum(size * loss for size, loss in zip(sizes, losses, strict=True)) / sum(sizes)


def finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.7g}")
