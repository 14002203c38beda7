"""The gradients of members that weigh the losses of several tasks, or operate on their gradients: one pure function.

For each member, with z = f(x): one pass through the heads gives the tasks' gradients by z and those of the heads; J of
the trunk takes the former to each task's gradient of its weights. All of it is vmapped over members that share a
weighting and a surgery, whose hyperparameters and states differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp

from metaopt.contracts import BalanceState, JointLosses, SharedTrunk, StepInfo, Tensors, default_for
from metaopt.errors import InputError, quoted
from metaopt.inner.gradients.vmapped import VmappedTask
from metaopt.inner.updates.layout import Flats
from metaopt.multitask import Balance, BalanceHparams
from metaopt.pure_layers import batched

_TRUNK = "trunk."


@final
@dataclass(frozen=True)
class BalancedStep:
    """The combined gradients of a block of members, as a function of tensors; equal for one task's functions."""

    vmapped: VmappedTask
    model: SharedTrunk
    losses: JointLosses

    @classmethod
    def of(cls, vmapped: VmappedTask, model: SharedTrunk, losses: JointLosses, name: str) -> "BalancedStep":
        """The one of a task; InputError where a head holds weights of the trunk, which then have no gradient apart."""
        held = {id(param) for param in model.trunk.parameters()}
        tied = next((name for name, head in model.heads.items() if held & {id(own) for own in head.parameters()}), None)
        if tied is not None:
            raise InputError(
                f"Task {quoted(name)}: the head {quoted(tied)} holds weights of the trunk, of which each task's "
                "gradient is wanted; give it its own, or leave weighting and surgery out."
            )
        return cls(vmapped, model, losses)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BalancedStep) and self.vmapped is other.vmapped

    def __hash__(self) -> int:
        return hash(id(self.vmapped))

    def __call__(
        self,
        flats: Flats,
        constants: Tensors,
        inputs: Tensor,
        targets: Tensor,
        hparams: BalanceHparams,
        state: BalanceState,
        numbers: Tensors,
        own: frozenset[str],
        shared: bool,
        balance: Balance,
    ) -> tuple[Flats, Tensor, BalanceState]:
        """Gradients, mean losses of shape (block,) and states after the step.

        Args:
            flats: parameters, of shape (block, coordinates).
            constants: by name.
            inputs: of shape (batch, …) if shared, else (block, batch, …).
            targets: likewise.
            hparams: of weighting and surgery, of shape (block,).
            state: of shape (block, …).
            numbers: step and horizon, 0-d.
            own: names of constants with a leading block axis.
            shared: whether all members see the same batch.
            balance: weighting and surgery.
        """
        self.model.train()
        info = StepInfo(numbers["step"], numbers["horizon"])

        def stepped(
            params: Tensors,
            constants: Tensors,
            inputs: Tensor,
            targets: Tensor,
            hparams: BalanceHparams,
            state: BalanceState,
        ) -> tuple[Tensors, Tensor, BalanceState]:
            with default_for(lambda: (inputs, targets)), batched():
                if balance.has_surgery:
                    return self._operated(params, constants, inputs, targets, hparams, state, info, balance)
                return self._weighted(params, constants, inputs, targets, hparams, state, info, balance)

        data = None if shared else 0
        axes = (0, {name: 0 if name in own else None for name in constants}, data, data, 0, 0)
        views = self.vmapped.layout.split(flats)
        grads, losses, new = torch.vmap(stepped, in_dims=axes)(views, constants, inputs, targets, hparams, state)
        return self.vmapped.layout.join(grads), losses.detach(), new

    def _weighted(
        self,
        params: Tensors,
        constants: Tensors,
        inputs: Tensor,
        targets: Tensor,
        hparams: BalanceHparams,
        state: BalanceState,
        info: StepInfo,
        balance: Balance,
    ) -> tuple[Tensors, Tensor, BalanceState]:
        """One backward pass of the weighted mean."""

        def losses_of(own: Tensors) -> Tensor:
            return self.losses.each(functional_call(self.model, {**constants, **own}, (inputs,)), targets)

        pulled: Any = vjp(losses_of, params)
        losses, pull = pulled
        weights, state = balance.weights(losses, state, hparams, info)
        (grads,) = pull(weights / len(losses))
        return grads, losses.mean(), state

    def _operated(
        self,
        params: Tensors,
        constants: Tensors,
        inputs: Tensor,
        targets: Tensor,
        hparams: BalanceHparams,
        state: BalanceState,
        info: StepInfo,
        balance: Balance,
    ) -> tuple[Tensors, Tensor, BalanceState]:
        """Each task's gradient of the trunk, and what surgery makes of them."""
        trunk = {name: value for name, value in params.items() if name.startswith(_TRUNK)}
        heads = {name: value for name, value in params.items() if name not in trunk}
        count, stacked = len(self.model.heads), self.model.stacked

        def represented(own: Tensors, inputs: Tensor) -> Tensor:
            return _called(self.model.trunk, _TRUNK, {**constants, **own}, inputs)

        if stacked:  # a copy of the trunk for each task, which sees the task's inputs alone
            copies = {name: value.expand(count, *value.shape) for name, value in trunk.items()}
            seen: Any = vjp(lambda own: torch.vmap(represented)(own, inputs.movedim(1, 0)), copies)
            views, pull = seen
        else:
            seen = vjp(lambda own: represented(own, inputs), trunk)
            shared, pull = seen
            views = shared.expand(count, *shared.shape)

        def losses_of(own: Tensors, views: Tensor) -> Tensor:
            given = zip(self.model.heads.items(), views, strict=True)
            outputs = {
                name: _called(head, f"heads.{name}.", {**constants, **own}, view) for (name, head), view in given
            }
            return self.losses.each(outputs, targets)

        answered: Any = vjp(losses_of, heads, views)
        losses, pull_heads = answered
        weights, state = balance.weights(losses, state, hparams, info)
        of_heads, cotangents = pull_heads(weights)
        if not trunk:  # frozen
            of_trunk: Tensors = {}
        elif balance.level == "representation" and not stacked:
            (mixed,), state = balance.combined([cotangents], state, hparams, info)
            (of_trunk,) = pull(mixed)
        else:
            (rows,) = pull(cotangents) if stacked else torch.vmap(pull)(cotangents)
            combined, state = balance.combined(list(rows.values()), state, hparams, info)
            of_trunk = dict(zip(rows, combined, strict=True))
        grads = {**of_trunk, **{name: value / count for name, value in of_heads.items()}}
        return {name: grads[name] for name in params}, losses.mean(), state


def _called(module: nn.Module, prefix: str, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """A part of a model with those of the tensors that are its own."""
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    output: Tensor = functional_call(module, own, (inputs,))
    return output
