"""The losses of a run's steps: one, or several with their backward passes, by the recipe's weighting and surgery."""

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.deploy.accelerated import Accumulation
from metaopt.deploy.ranks.joining import JoinableRun, Joining
from metaopt.deploy.ranks.weighted_means import mean_loss
from metaopt.deploy.training_step import TrainingSteps, check_scaler
from metaopt.errors import InputError
from metaopt.multitask import Balance, ModuleBalance


class LossRun(JoinableRun):
    """A run that is told its losses.

    Args:
        model: the module in training, or its parameters.
        joining: how it takes part in torch's `Join`, or None where one process trains the model.
        steps: of the run.
        tasks: makes one gradient of several losses; None for that of their mean.
        accumulation: of a host that takes backward passes itself, or None.
    """

    def __init__(
        self,
        model: nn.Module | Sequence[Tensor],
        joining: Joining | None,
        steps: TrainingSteps,
        tasks: ModuleBalance | None,
        accumulation: Accumulation | None,
    ) -> None:
        super().__init__()
        self.model, self._joining = model, joining
        self._steps, self._tasks, self._accumulation = steps, tasks, accumulation
        self._is_warned = False

    def record_loss(self, loss: Tensor | float, num_examples: float | None = None) -> Tensor:
        """Note the loss of the coming step; `step` does it, and only loops that step by themselves need to.

        Hooks of the optimizer supply it to that step, whoever takes it; a closure that returns the loss does as well.
        Where several ranks train the model and something of the recipe looks at the loss, it is their mean.

        Args:
            loss: training loss of the step's batch, one number, unscaled.
            num_examples: how many examples it is a mean over, on every rank or on none; the mean over ranks is weighted
                by them, and a rank with 0 does not count. Equal weights if left out.

        Returns:
            It, or the mean, detached and 0-d.

        Raises:
            InputError: it is not one number, or the number of examples is not 0 or more.
            RankError: the ranks do not come together.
        """
        self.check_joined()
        return self._steps.record_loss(loss, num_examples, self._accumulation)

    def backward(self, losses: Mapping[str, Tensor], *, scaler: torch.amp.GradScaler | None = None) -> Tensor:
        """The backward passes of several losses, in place of `loss.backward()`; then call `step(loss)`.

        The recipe's weighting says how much each loss counts, its surgery makes one gradient of the tasks' gradients of
        what they share; without either it is the gradient of the mean. Bind a `metaopt.SharedTrunk` for a step of one
        pass through the heads; of other models, parameters that several losses reach are shared.

        Args:
            losses: by task, each a mean over its examples with a graph of its own, that goes through the task's head
                alone; the same tasks at every step.
            scaler: scales the gradients, for `step(loss, scaler=scaler)`.

        Returns:
            The mean of the losses, detached and 0-d: what `step` takes.

        Raises:
            InputError: the losses are none, not one number each, or of other tasks than before; or several processes
                train the model, and the recipe has a surgery.
        """
        if scaler is not None:
            check_scaler(scaler)
        joining, balance = self._joining, self._one_gradient.balance
        ranks = None if joining is None else joining.ranks
        if self._accumulation is not None:
            raise InputError(
                "An accelerator takes the backward pass of one loss: leave out accelerator=, or call "
                "accelerator.backward(loss) and run.step(loss)."
            )
        if joining is not None and (balance.has_surgery or (balance.weigh is not None and joining.is_open)):
            raise InputError(
                "A surgery needs each task's gradient on one process, and a weighting the losses of all ranks at every "
                "step: bind with distributed=None, leave torch's Join, or take a recipe without."
            )
        agree = None
        if ranks is not None and balance.weigh is not None:

            def agree(seen: Tensor) -> Tensor:
                return torch.stack([mean_loss(ranks, loss, None, self._steps.count) for loss in seen])

        scale = 1.0 if scaler is None else _scale(scaler, losses)
        self._is_warned = True
        return self._one_gradient.backward(losses, self._steps.count, scale, agree)

    @cached_property
    def _one_gradient(self) -> ModuleBalance:
        return self._tasks or ModuleBalance(Balance(), {}, self.model, None)

    def _single(
        self, loss: Tensor | float | Mapping[str, Tensor] | None, scaler: torch.amp.GradScaler | None
    ) -> Tensor | float | None:
        """One loss, after the backward passes of several."""
        if isinstance(loss, Mapping):
            return self.backward(loss, scaler=scaler)
        if not self._is_warned and self._tasks is not None:
            self._is_warned = True
            warnings.warn(
                "The recipe's weighting and surgery are for losses of several tasks, and one loss has neither: call "
                "run.step({'task': loss, …}) before any backward pass.",
                UserWarning,
                stacklevel=4,
            )
        return loss


def _scale(scaler: torch.amp.GradScaler, losses: Any) -> float:
    """The scaler's factor, once it has seen the device of the losses."""
    first = next(iter(losses.values()), None) if isinstance(losses, Mapping) else None
    one = torch.ones((), device=first.device if isinstance(first, Tensor) else "cpu")
    return float(scaler.scale(one))
