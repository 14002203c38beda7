"""Which weights the model of a run holds: those in training, averages during an evaluation, or the best ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NoReturn, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from metaopt.deploy.evaluation import BestWeights, eval_mode, evaluating, keep_averages, stay_in_eval, warn_of_averages
from metaopt.errors import InputError


@final
class HeldWeights:
    """Puts weights into a model and remembers at which step it did.

    Args:
        model: the module in training, or its parameters.
        optimizer: which may average.
        keep_best: device of the copy of the best weights, or None to keep none.

    Attributes:
        best: the copy of the best weights, or None.
        is_evaluating: whether `evaluating` is in force.
    """

    def __init__(
        self, model: nn.Module | Sequence[Tensor], optimizer: Optimizer, keep_best: str | torch.device | None
    ) -> None:
        self.best = None if keep_best is None else BestWeights(model, torch.device(keep_best))
        self.is_evaluating = False
        self._module = model if isinstance(model, nn.Module) else None
        self._optimizer = optimizer
        self._evaluated_step: int | None = None
        self._restored_step: int | None = None
        self._warned_of_averages = False
        self._finished: RemovableHandle | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the model holds the weights that it is to be used with."""
        return self._finished is not None

    @contextmanager
    def evaluating(self, step: int) -> Iterator[None]:
        """Eval mode and averages within, at this step; weights that were restored at it stay."""
        restored = self.is_finished or self._restored_step == step
        outer, self.is_evaluating = self.is_evaluating, True
        self._evaluated_step = step
        try:
            with eval_mode(self._module), nullcontext() if restored else evaluating(self._optimizer):
                yield
        finally:
            self.is_evaluating = outer

    def check_evaluated(self, step: int, value: float) -> None:
        """Warn, once, where a value was measured at this step with other weights than the averages."""
        if not self.is_evaluating and step not in (self._evaluated_step, self._restored_step):
            self._warned_of_averages = self._warned_of_averages or warn_of_averages(self._optimizer, value)

    def keep(self, step: int) -> None:
        """Copy the weights to evaluate with, as the best so far."""
        if self.best is not None:
            with self.evaluating(step):
                self.best.keep()

    def restore_best(self, step: int, num_observations: int) -> None:
        """Write the best weights into the model; errors as of `Run.restore_best`."""
        if self.best is None:
            raise InputError("No copy of the best weights was kept; bind with keep_best='cpu'.")
        self.check_training("calling run.restore_best()")
        self.best.restore(num_observations)
        self._restored_step = step

    def finish(self, step: int, num_observations: int) -> None:
        """Write what the model is to be used with, and refuse further steps; errors as of `Run.finish`."""
        self.check_training("calling run.finish()")
        if self.is_finished:
            return
        if self.best is not None and self.best.weights is not None:
            self.restore_best(step, num_observations)
        elif self._restored_step != step:
            keep_averages(self._optimizer)
        stay_in_eval(self._optimizer)
        self._restored_step = step
        self._finished = self._optimizer.register_step_pre_hook(_refuse_step)

    def train_on(self) -> None:
        """Training goes on, with weights that were loaded."""
        self._restored_step = None
        if self._finished is not None:
            self._finished.remove()
            self._finished = None

    def check_training(self, before: str) -> None:
        """InputError while `evaluating` is in force."""
        if self.is_evaluating:
            raise InputError(f"Leave `with run.evaluating()` before {before}.")

    def check_steps(self) -> None:
        """InputError where no step may be taken."""
        self.check_training("calling run.step()")
        if self.is_finished:
            _refuse_step()

    def check_goes_on(self) -> None:
        """InputError where the model may hold weights from which training would not go on."""
        self.check_training("saving run.state_dict() and the model's")
        if self.is_finished:
            raise InputError("This run is finished and does not go on: save run.state_dict() before run.finish().")


def _refuse_step(*step: Any) -> NoReturn:
    """Raise where a run that is finished is stepped, by whomever; also a hook, which is given the optimizer's step."""
    raise InputError("This run is finished, and its model holds the weights to use: bind a new run to train on.")
