"""Ways to skip a step that an optimizer class is about to take, since a hook cannot keep `step` from being called."""

import copy
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer

#: What torch's fused classes look at: nothing moves, and no counter, where it is 1. `GradScaler` sets it too.
FOUND_INF = "found_inf"


def takes_found_inf(optimizer: Optimizer) -> bool:
    """Whether the coming step can be skipped by `found_inf`, without the host knowing.

    Every group is fused, and every parameter with a gradient has state: SGD's first momentum would be left unwritten.
    """
    return (
        bool(getattr(optimizer, "_step_supports_amp_scaling", False))
        and all(group.get("fused") for group in optimizer.param_groups)
        and all(
            param in optimizer.state
            for group in optimizer.param_groups
            for param in group["params"]
            if param.grad is not None
        )
    )


@final
class MarkedStep:
    """A step of a fused class that is not taken where `overflowed` is 1; what a `GradScaler` found counts as well.

    Args:
        optimizer: one that `takes_found_inf`.
        overflowed: 0-d, float32, 0 or 1, on the parameters' device.
    """

    def __init__(self, optimizer: Optimizer, overflowed: Tensor) -> None:
        self._scalers: Tensor | None = getattr(optimizer, FOUND_INF, None)
        mark = overflowed if self._scalers is None else torch.maximum(overflowed, self._scalers.to(overflowed.device))
        setattr(optimizer, FOUND_INF, mark)

    def withhold(self, optimizer: Optimizer) -> None:
        """Nothing to do: the mark holds for gradients that a closure makes anew, too."""

    def enter(self, optimizer: Optimizer) -> bool:
        """Whether a call of `step` that begins now is part of this step; never, each call is a step of its own."""
        return False

    def leave(self) -> bool:
        """Whether the call of `step` that ends now is this step's last."""
        return True

    def settle(self, optimizer: Optimizer) -> None:
        """After the step: leave the optimizer as it was."""
        if self._scalers is None:
            delattr(optimizer, FOUND_INF)
        else:
            setattr(optimizer, FOUND_INF, self._scalers)


@final
class WithheldStep:
    """A step of any class without its gradients: no parameter has one, so no parameter and no state of it moves.

    Counters that classes keep for themselves advance all the same, in param groups (Schedule-Free's `k` and
    `weight_sum`) or as attributes: they are put back.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._calls = 1
        self._gradients: dict[Tensor, Tensor] = {}
        self._groups = [(group, _settings(group)) for group in optimizer.param_groups]
        self._counters = {key: value for key, value in vars(optimizer).items() if type(value) in (int, float)}
        self.withhold(optimizer)

    def withhold(self, optimizer: Optimizer) -> None:
        """Take the gradients away, again each time that a closure has made new ones."""
        for group in optimizer.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._gradients[param] = param.grad
                    param.grad = None

    def enter(self, optimizer: Optimizer) -> bool:
        """Whether a call of `step` that begins now belongs to this step, as in a class that calls its base's.

        Where gradients are there again this step has raised, and the call is the next one.
        """
        belongs = all(param.grad is None for group in optimizer.param_groups for param in group["params"])
        self._calls += belongs
        return belongs

    def leave(self) -> bool:
        """Whether the call of `step` that ends now is this step's last."""
        self._calls -= 1
        return self._calls == 0

    def settle(self, optimizer: Optimizer) -> None:
        """After the step: give gradients and counters back; a rule's planned steps go on."""
        for param, grad in self._gradients.items():
            if param.grad is None:
                param.grad = grad
        for group, settings in self._groups:
            _put_back(group, settings)
        vars(optimizer).update(self._counters)
        if isinstance(optimizer, AssemblyOptimizer):
            optimizer.pass_over()


def _settings(group: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each entry of a param group but the parameters, with a copy of what it holds."""
    return {key: (value, copy.deepcopy(value)) for key, value in group.items() if key != "params"}


def _put_back(group: dict[str, Any], settings: Mapping[str, tuple[Any, Any]]) -> None:
    for key in group.keys() - settings.keys() - {"params"}:
        del group[key]
    for key, (value, before) in settings.items():
        if isinstance(value, Tensor):
            group[key] = value.copy_(before)  # a rate that is a tensor stays the same tensor
        else:
            group[key] = before
