"""A copy of the best weights seen so far."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Weights: TypeAlias = dict[str, Any]


class BestWeights:
    """Keeps and restores a model's weights and buffers, or bare parameters.

    Args:
        model: a module (its `state_dict` is kept: parameters, buffers such as BatchNorm's statistics), or parameters.
        device: where the copy lives.
    """

    def __init__(self, model: nn.Module | Sequence[Tensor], device: torch.device) -> None:
        self._model = model
        self._device = device
        self.weights: Weights | None = None

    def keep(self) -> None:
        """Copy the present weights."""
        self.weights = {name: self._copy(value) for name, value in self._present().items()}

    @torch.no_grad()
    def restore(self) -> None:
        """Write the copy into the model, in place."""
        assert self.weights is not None
        if isinstance(self._model, nn.Module):
            self._model.load_state_dict(self.weights)
            return
        for name, tensor in self._present().items():
            tensor.copy_(self.weights[name])

    def load(self, weights: Mapping[str, Any] | None) -> None:
        """Take over a copy, as from a checkpoint."""
        self.weights = None if weights is None else {name: self._copy(value) for name, value in weights.items()}

    def _present(self) -> Weights:
        if isinstance(self._model, nn.Module):
            return dict(self._model.state_dict())
        return {str(index): tensor for index, tensor in enumerate(self._model)}

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.detach().to(self._device, copy=True)
        return copy.deepcopy(value)
