"""A copy of the best weights seen so far."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from metaopt.deploy.state.model_names import counterparts
from metaopt.errors import InputError, quoted

Weights: TypeAlias = dict[str, Any]

#: A buffer that `torch.optim.swa_utils.AveragedModel` has beside the model that it wraps.
_WRAPPERS_OWN = "n_averaged"


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
        self.weights: Weights | None = None

    def keep(self) -> None:
        """Copy the present weights."""
        self.weights = {name: self._copy(value) for name, value in self._present().items() if name not in self._frozen}

    def include(self, params: Iterable[Tensor]) -> None:
        """Take in parameters that are unfrozen, before their first step: till then they were what they are now."""
        met = set(params)
        for name, param in self._named():
            if param in met and name in self._frozen:
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

    def fitted(self, weights: Mapping[str, Any] | None) -> Weights | None:
        """A copy as from a checkpoint, by this model's names.

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
        found = {own: weights[name] for name, own in names.items()}
        for name, value in found.items():
            if isinstance(value, Tensor) and value.shape != present[name].shape:
                raise InputError(
                    f"The best weights of this state are another model's: {quoted(name)} has the shape "
                    f"{tuple(value.shape)}, this model's has {tuple(present[name].shape)}; bind the same model."
                )
        return found

    def load(self, weights: Mapping[str, Any] | None) -> None:
        """Take over a copy, as from a checkpoint; errors as for `fitted`."""
        fitted = self.fitted(weights)
        self.weights = None if fitted is None else {name: self._copy(value) for name, value in fitted.items()}

    def _present(self) -> Weights:
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
