"""The last update of a model's parameters, for controllers that ask whether steps go on agreeing."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from metaopt.deploy.optimizer.precision import widened
from metaopt.errors import InputError
from metaopt.signals import agreement


class LastUpdate:
    """Measures updates where parameters were before and after a step, whatever took it; keeps one copy of them."""

    def __init__(self) -> None:
        self._before: list[Tensor] = []
        self._update: list[Tensor] = []

    def agreement(self, params: Iterable[Tensor]) -> Tensor:
        """Cosine of the angle between the gradients at hand and the last update, 0-d; 0 where either is 0."""
        gradients = [
            torch.zeros_like(update) if param.grad is None else _dense(param.grad).to(update.device)
            for param, update in zip(params, self._update, strict=False)
        ]
        return agreement(gradients, self._update) if gradients else torch.zeros(())

    def begin(self, params: Iterable[Tensor]) -> None:
        """Before a step."""
        self._before = [widened(param).clone() for param in params]

    def end(self, params: Iterable[Tensor]) -> None:
        """After it."""
        self._update = [widened(param) - before for param, before in zip(params, self._before, strict=True)]
        self._before = []

    def state_dict(self) -> list[Tensor]:
        """The last update."""
        return [one.clone() for one in self._update]

    def load_state_dict(self, state: Sequence[Any], params: Iterable[Tensor]) -> None:
        """Inverse of `state_dict`, for parameters in the same order; in their precision and on their devices.

        Raises:
            InputError: it is of other parameters.
        """
        wide = [widened(param) for param in params]
        if state and [one.shape for one in state] != [one.shape for one in wide]:
            raise InputError("The last update of this state is of other parameters; bind the same model.")
        self._update = [one.to(like, copy=True) for one, like in zip(state, wide, strict=False)]


def _dense(grad: Tensor) -> Tensor:
    return widened(grad if grad.layout is torch.strided else grad.to_dense())
