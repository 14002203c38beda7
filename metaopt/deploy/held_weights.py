"""Which weights the model of a run holds: those in training, averages during an evaluation, or the best ones."""

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NoReturn, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from metaopt.deploy.evaluation import (
    copied_averages,
    eval_mode,
    evaluating,
    forget_training_weights,
    keep_averages,
    stay_in_eval,
    warn_of_averages,
)
from metaopt.deploy.optimizer.parameters import counterparts
from metaopt.deploy.step_hooks import warn_of_unfrozen, watch_frozen
from metaopt.errors import InputError, first_line, quoted
from metaopt.shards import laid_as

_LOG = logging.getLogger("metaopt")
#: A buffer that `torch.optim.swa_utils.AveragedModel` has beside the model that it wraps.
_WRAPPERS_OWN = "n_averaged"


@final
class HeldWeights:
    """Puts weights into a model and remembers at which step it did.

    Args:
        model: the module in training, or its parameters.
        optimizer: which may average.
        keep_best: device of the copy of the best weights, or None to keep none.

    Attributes:
        best: the copy of the best weights, or None.
        optimizer: the one given.
        is_evaluating: whether `evaluating` is in force.
    """

    def __init__(
        self, model: nn.Module | Sequence[Tensor], optimizer: Optimizer, keep_best: str | torch.device | None
    ) -> None:
        self.best = None if keep_best is None else BestWeights(model, _device(keep_best))
        self.is_evaluating = False
        self._module = model if isinstance(model, nn.Module) else None
        self.optimizer = optimizer
        self._evaluated_step: int | None = None
        self._evaluated: Mapping[Tensor, Tensor] | None = None  # averages of the last evaluation, until it is observed
        self._is_observed = False
        self._restored_step: int | None = None
        self._warned_of_averages = False
        self._finished: RemovableHandle | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A hook's handle holds all other hooks, and averages are those of the original's parameters.
        return {**vars(self), "_finished": self.is_finished, "_evaluated": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _finished=None)
        if state["_finished"]:  # the optimizer of a copy has no hooks
            self._finished = self.optimizer.register_step_pre_hook(_refuse_step)

    @property
    def module(self) -> nn.Module | None:
        """The module in training, or None for bare parameters."""
        return self._module

    @property
    def is_finished(self) -> bool:
        """Whether the model holds the weights that it is to be used with."""
        return self._finished is not None

    @contextmanager
    def evaluating(self, step: int, *, is_observed: bool = False) -> Iterator[None]:
        """Eval mode and averages within, at this step; weights that were restored at it stay."""
        restored = self.is_finished or self._restored_step == step
        outer, self.is_evaluating = self.is_evaluating, True
        self._evaluated_step, self._is_observed = step, is_observed
        try:
            with nullcontext() if restored else evaluating(self.optimizer, self._module), eval_mode(self._module):
                yield
                if self.best is not None and not (outer or restored or self._is_observed):
                    self._evaluated = copied_averages(self.optimizer)
        finally:
            self.is_evaluating = outer

    def take_in(self, step: int, value: float, *, improves: bool) -> None:
        """Keep the weights to evaluate with, where the value of a validation is better than all before."""
        self.check_evaluated(step, value)
        if improves:
            self.keep(step)
        self._evaluated, self._is_observed = None, True

    def check_evaluated(self, step: int, value: float) -> None:
        """Warn, once, where a value was measured at this step with other weights than the averages."""
        if not self.is_evaluating and step not in (self._evaluated_step, self._restored_step):
            self._warned_of_averages = self._warned_of_averages or warn_of_averages(self.optimizer, value)

    def include_unfrozen(self, frozen: Sequence[Tensor], names: Mapping[Tensor, str] | None = None) -> None:
        """Have frozen parameters join the best weights once they have gradients.

        Args:
            frozen: the parameters.
            names: of all parameters, where the optimizer is a copy and no longer warns of those that no group holds.
        """
        if self.best is not None and frozen:
            watch_frozen(self.optimizer, frozen, self.best.include)
        if names is not None and frozen:
            watch_frozen(self.optimizer, frozen, warn_of_unfrozen(self.optimizer, names))

    def keep(self, step: int) -> None:
        """Copy the weights to evaluate with, as the best so far: those evaluated at this step, if any were."""
        if self.best is None:
            return
        if self._evaluated is not None and self._evaluated_step == step and not self.is_evaluating:
            self.best.keep(self._evaluated)
            return
        with self.evaluating(step, is_observed=True):
            self.best.keep({})

    def restore_best(self, step: int, num_observations: int, best_step: int | None = None) -> None:
        """Write the best weights, those of `best_step`, into the model; errors as of `Run.restore_best`."""
        if self.best is None:
            raise InputError("No copy of the best weights was kept; bind with keep_best='cpu'.")
        self.check_training("calling run.restore_best()")
        self.best.restore(num_observations)
        self._evaluated = None
        forget_training_weights(self.optimizer)
        self._restored_step = step
        if best_step == 0 < step:
            _LOG.info(
                f"In {step} steps no validation was better than the one before the first step: the model has the "
                "weights again that it came with."
            )

    def finish(self, step: int, num_observations: int, best_step: int | None = None, *, best: bool = True) -> None:
        """Write what the model is to be used with, and refuse further steps; arguments, errors as of `Run.finish`."""
        if not isinstance(best, bool):
            raise InputError(f"run.finish(best=) is True or False, got {quoted(best)}.")
        self.check_training("calling run.finish()")
        if self.is_finished:
            return
        if best and self.best is not None and self.best.weights is not None:
            self.restore_best(step, num_observations, best_step)
        elif self._restored_step != step:
            keep_averages(self.optimizer, self._module)
        stay_in_eval(self.optimizer)
        self._restored_step, self._evaluated = step, None
        self._finished = self.optimizer.register_step_pre_hook(_refuse_step)

    def train_on(self) -> None:
        """Training goes on, with weights that were loaded."""
        self._restored_step = self._evaluated = None
        if self._finished is not None:
            self._finished.remove()
            self._finished = None

    def check_training(self, before: str) -> None:
        """InputError while `evaluating` is in force."""
        if self.is_evaluating:
            raise InputError(f"Leave `with run.evaluating()` before {before}.")

    def check_steps(self) -> None:
        """InputError where no step may be taken."""
        if self.is_evaluating:
            self.check_training("calling run.step()")
        if self._finished is not None:
            _refuse_step()
        self._evaluated = None

    def check_goes_on(self) -> None:
        """InputError where the model may hold weights from which training would not go on."""
        self.check_training("saving run.state_dict() and the model's")
        if self.is_finished:
            raise InputError("This run is finished and does not go on: save run.state_dict() before run.finish().")


class BestWeights:
    """Keeps and restores a model's trained weights and its buffers, or bare parameters.

    Parameters that are frozen from the start are not copied: they stay what they are.

    Args:
        model: a module (its `state_dict` is kept: parameters, buffers such as BatchNorm's statistics), or parameters.
        device: where the copy lives.
    """

    def __init__(self, model: nn.Module | Sequence[Tensor], device: torch.device) -> None:
        self._model = model
        self._device = device
        self._frozen = {name for name, param in self._named() if not param.requires_grad}
        self.weights: dict[str, Any] | None = None

    def keep(self, averages: Mapping[Tensor, Tensor]) -> None:
        """Copy the present weights, with averages in place of the parameters that have any here."""
        present = self._present()
        present.update((name, averages[param]) for name, param in self._named() if param in averages)
        self.weights = {name: self._copy(value) for name, value in present.items() if name not in self._frozen}

    def include(self, params: Iterable[Tensor]) -> None:
        """Copy parameters that were frozen until now, before their first step, as part of the best weights too."""
        unfrozen = set(params)
        for name, param in self._named():
            if param in unfrozen and name in self._frozen:
                self._frozen.remove(name)
                if self.weights is not None:
                    self.weights.setdefault(name, self._copy(param))

    @torch.no_grad()
    def restore(self, num_observations: int) -> None:
        """Write the copy into the model, in place.

        Args:
            num_observations: values seen so far, for the message.

        Raises:
            InputError: there is none.
        """
        if self.weights is None:
            seen = f"none of {num_observations} observed values was finite"
            never = "run.observe(value) was never called"
            raise InputError(f"There are no best weights to restore: {seen if num_observations else never}.")
        if isinstance(self._model, nn.Module):
            self._model.load_state_dict(self.weights, strict=False)  # frozen parameters are not in it
            return
        present = self._present()
        for name, value in self.weights.items():
            present[name].copy_(value)

    def fitted(self, weights: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """A checkpoint's best weights under the names of this model.

        Raises:
            InputError: it is another model's.
        """
        if weights is None:
            return None
        present = self._present()
        names = counterparts(weights, present)
        unknown = sorted(set(weights) - set(names) - {_WRAPPERS_OWN})
        missing = sorted(set(present) - set(names.values()) - self._frozen - {_WRAPPERS_OWN})
        if unknown or missing:
            what = f"hold {quoted(unknown[0])}, which this model lacks" if unknown else f"lack {quoted(missing[0])}"
            raise InputError(f"The best weights of this state are another model's: they {what}; bind the same model.")
        by_own_name = {own: weights[name] for name, own in names.items()}
        for name, value in by_own_name.items():
            if isinstance(value, Tensor) and value.shape != present[name].shape:
                raise InputError(
                    f"The best weights of this state are another model's: {quoted(name)} has the shape "
                    f"{tuple(value.shape)}, this model's has {tuple(present[name].shape)}; bind the same model."
                )
        return by_own_name

    def load(self, weights: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint's best weights; raises what `fitted` raises."""
        fitted = self.fitted(weights)
        present = self._present()
        self.weights = None if fitted is None else {n: self._copy(_laid_as(v, present[n])) for n, v in fitted.items()}

    def _present(self) -> dict[str, Any]:
        if isinstance(self._model, nn.Module):
            return dict(self._model.state_dict())
        return dict(self._named())

    def _named(self) -> list[tuple[str, Tensor]]:
        if isinstance(self._model, nn.Module):
            return list(self._model.named_parameters(remove_duplicate=False))
        return [(str(index), tensor) for index, tensor in enumerate(self._model)]

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.detach().to(self._device, copy=True)
        return copy.deepcopy(value)


def _laid_as(value: Any, present: Any) -> Any:
    both = isinstance(value, Tensor) and isinstance(present, Tensor)
    return laid_as(value, present) if both else value


def _device(name: Any) -> torch.device:
    try:
        return torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"keep_best must be a device such as 'cpu', or None, got {quoted(name)}: {first_line(error, 80)}."
        ) from error


def _refuse_step(*step: Any) -> NoReturn:
    """Raise where a run that is finished is stepped, by whomever; also a hook, which is given the optimizer's step."""
    raise InputError("This run is finished, and its model holds the weights to use: bind a new run to train on.")
