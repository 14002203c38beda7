"""One model trained by a recipe on rows in memory: the loop that `bind` is made for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.contracts import Mode, Split, evenly_spread
from metaopt.inner import batch_indices
from metaopt.recipe import Recipe
from metaopt.seeding import seeded

Measure = Callable[[Tensor, Tensor], Tensor]

#: Rows of one forward pass where nothing is trained.
MOST_ROWS = 65_536


@dataclass(frozen=True)
class Plan:
    """How a model is trained.

    Attributes:
        loss: the mean over a batch.
        metric: what validations measure.
        mode: whether it is better when lower, or when higher.
        batch_size: examples a step.
        num_steps: planned steps, for which rates and their decay are resolved.
        num_validations: evenly spread over them.
    """

    loss: Measure
    metric: Measure
    mode: Mode
    batch_size: int
    num_steps: int
    num_validations: int


@dataclass(frozen=True)
class Training:
    """What came of a training.

    Attributes:
        num_steps: steps taken.
        best_step: of the best validation; None where none was finite, or there was none.
        best_value: its value.
        reason: why it ended early; empty where it did not.
        curve: the value of each validation by its step.
    """

    num_steps: int
    best_step: int | None = None
    best_value: float | None = None
    reason: str = ""
    curve: Mapping[int, float] = field(default_factory=dict)


def trained(
    recipe: Recipe,
    model: nn.Module,
    train: Split,
    plan: Plan,
    *,
    validation: Split | None = None,
    until: int | None = None,
    seed: int = 0,
    augment: Callable[..., Tensor] | None = None,
) -> Training:
    """Train a model in place; afterwards it holds the weights to use, and is in evaluation mode.

    Args:
        recipe: how.
        model: a fresh one.
        train: rows to train on.
        plan: see `Plan`.
        validation: rows to validate on, by which the stopper decides and the best weights are kept; without, all steps
            are taken and the last weights are kept.
        until: the last step; that of the plan if left out.
        seed: of batches and of what the model draws.
        augment: `(inputs, step=step) -> inputs`, which training batches go through; steps count from 0.
    """
    steps = plan.num_steps if until is None else until
    follower = recipe if validation is not None else recipe.with_stopper(None)
    kept: dict[str, Any] = {} if validation is not None else {"keep_best": None}
    size = min(plan.batch_size, len(train))
    run = follower.bind(model, total_steps=plan.num_steps, mode=plan.mode, batch_size=size, distributed=None, **kept)
    validated = set() if validation is None else set(evenly_spread(plan.num_validations, plan.num_steps))
    reason, curve = "", {}
    model.train()
    with seeded(seed):
        for step, rows in enumerate(batch_indices(len(train), size, steps, seed), start=1):
            run.optimizer.zero_grad()
            inputs = train.inputs[rows]
            inputs = inputs if augment is None else augment(inputs, step=step - 1)
            loss = plan.loss(model(inputs), train.targets[rows])
            loss.backward()
            run.step(loss)
            if step in validated and validation is not None:
                with run.evaluating():
                    value = float(plan.metric(outputs(model, validation.inputs), validation.targets))
                curve[step] = value
                decision = run.observe(value)
                if decision.stop:
                    reason = decision.reason or ""
                    break
    done, best, value_at_best = run.num_steps, run.best_step, run.best_value
    run.finish(best=validation is not None)
    model.eval()
    return Training(done, best, value_at_best, reason, curve)


@torch.no_grad()
def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """What a model makes of rows, in passes of at most MOST_ROWS."""
    if len(inputs) <= MOST_ROWS:
        whole: Tensor = model(inputs)
        return whole
    return torch.cat([model(part) for part in inputs.split(MOST_ROWS)])


def is_finite(model: nn.Module) -> bool:
    """Whether all of a model's numbers are finite."""
    return all(bool(torch.isfinite(param).all()) for param in model.parameters())
