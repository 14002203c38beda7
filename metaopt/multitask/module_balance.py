"""Backward passes of several losses through a model in training, with the weights and the surgery of a recipe."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from metaopt.contracts import BalanceState, SharedTrunk, StepInfo
from metaopt.errors import InputError, listed, quoted
from metaopt.multitask.balance import Balance, BalanceHparams
from metaopt.multitask.task_gradients import HeadGradients, by_pass, pulled, through_heads, through_trunk

#: How far, relative to its norm, what replaces an ordinary backward pass may be from it.
_TOLERANCE = 1e-2


@final
class ModuleBalance:
    """Makes one gradient of several losses, step after step.

    The first step through a `SharedTrunk` is held against an ordinary backward pass: losses that do not go through each
    task's own head alone, such as one with a penalty on the trunk's weights, take a pass each from then on.

    Args:
        balance: weighting and surgery.
        hparams: their hyperparameters.
        model: in training, or its parameters.
        horizon: planned number of steps, or None.

    Attributes:
        names: of the tasks, in their order; empty before the first step of a model that is no `SharedTrunk`.
        state: what weighting and surgery remember; empty before the first step.
    """

    def __init__(self, balance: Balance, hparams: BalanceHparams, model: Any, horizon: int | None) -> None:
        model = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
        self.balance = balance
        self._model = model
        self._hparams = {owner: dict(own) for owner, own in hparams.items()}
        self._horizon = None if horizon is None else torch.tensor(float(horizon))
        self._trunk = model if isinstance(model, SharedTrunk) else None
        self.names: tuple[str, ...] = () if self._trunk is None else tuple(self._trunk.heads)
        self._of_trunk: list[Tensor] = []
        self._of_heads: list[Tensor] = []
        if self._trunk is not None and balance.has_surgery:
            self._trunk.record()
            self._of_trunk = list(self._trunk.trunk.parameters())
            held = set(self._of_trunk)
            self._of_heads = [param for param in self._trunk.heads.parameters() if param not in held]
        self._is_checked = False
        self._rows: dict[Tensor, Tensor] = {}  # written anew at each step: large tensors are dear to allocate
        self.state: BalanceState = {}

    def backward(
        self,
        losses: Mapping[str, Tensor],
        step: int,
        scale: float = 1.0,
        agree: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Add the gradients of a step to `grad` of the parameters, as `loss.backward()` does.

        Args:
            losses: by task, each one number with a graph, the same tasks at every step.
            step: steps completed before.
            scale: factor on all gradients, of a `GradScaler`.
            agree: from the losses, shape (tasks,), to what weights go by; the losses themselves if left out.

        Returns:
            The mean of the losses, without weights, detached and 0-d.

        Raises:
            InputError: the losses are none, or of other tasks than before.
        """
        each = self._checked(losses)
        seen = torch.stack([loss.detach() for loss in each])
        seen = seen if agree is None else agree(seen)
        self._move(seen.device)
        if not self.state:
            self.state = {
                name: value.to(seen.device) for name, value in self.balance.init(len(seen), self._hparams).items()
            }
        info = StepInfo(torch.tensor(float(step), device=seen.device), self._horizon)
        if self.balance.weigh is not None:
            with torch.no_grad():
                weights, self.state = self.balance.weights(seen, self.state, self._hparams, info)
            each = [loss * weight for loss, weight in zip(each, weights, strict=True)]
        if self.balance.has_surgery:
            self._operate(each, info, scale)
        else:
            (torch.stack(each).mean() * scale).backward()
        return seen.mean()

    def state_dict(self) -> dict[str, Any]:
        """The state, with the names of the tasks."""
        return {"tasks": list(self.names), "state": {name: value.clone() for name, value in self.state.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`.

        Raises:
            InputError: it is of other tasks.
        """
        names = tuple(state["tasks"])
        if self.names and names and set(names) != set(self.names):
            raise InputError(f"This state is of the tasks {listed(names)}, and this model's are {listed(self.names)}.")
        self.names = names or self.names
        self.state = {name: torch.as_tensor(value).clone() for name, value in state["state"].items()}

    def _operate(self, losses: Sequence[Tensor], info: StepInfo, scale: float) -> None:
        """Add what surgery makes of the gradients of these losses to `grad`."""
        model = self._trunk
        trained = [param for param in self._of_heads if param.requires_grad]
        heads = None if model is None else through_heads(trained, model.record(), losses)
        combined = None if model is None or heads is None else self._through(model, heads, losses, info)
        if combined is None:
            self._refuse_representation()
            gradients = by_pass(self._params(), losses)
            with torch.no_grad():
                rows = list(gradients.rows.values())
                mixed, self.state = self.balance.combined(rows, self.state, self._hparams, info)
            combined, alone = dict(zip(gradients.rows, mixed, strict=True)), gradients.alone
        else:
            assert heads is not None
            alone = heads.alone
        for param, gradient in (*combined.items(), *alone.items()):
            _add(param, gradient if scale == 1.0 else gradient * scale)
        if model is not None:
            model.record().clear()

    def _through(
        self, model: SharedTrunk, heads: HeadGradients, losses: Sequence[Tensor], info: StepInfo
    ) -> dict[Tensor, Tensor] | None:
        """The combined gradients of the trunk; None where its losses are found to go elsewhere, too."""
        trunk = [param for param in self._of_trunk if param.requires_grad]
        if not trunk:
            return {}
        seen, cotangents = model.record(), heads.cotangents
        if not self._is_checked and not self._goes_through(model, trunk, cotangents, losses):
            self._trunk = None
            return None
        self._is_checked = self._is_checked or all(bool(torch.isfinite(loss)) for loss in losses)
        with torch.no_grad():
            if self.balance.level == "representation" and seen.shared is not None:
                (mixed,), self.state = self.balance.combined([torch.stack(cotangents)], self.state, self._hparams, info)
                own = zip(trunk, pulled(seen.shared, trunk, mixed), strict=True)
                return {param: gradient for param, gradient in own if gradient is not None}
            self._refuse_representation()
            rows = through_trunk(seen, trunk, cotangents, self._rows)
            combined, self.state = self.balance.combined(list(rows.values()), self.state, self._hparams, info)
            return dict(zip(rows, combined, strict=True))

    def _goes_through(
        self, model: SharedTrunk, trunk: Sequence[Tensor], cotangents: Sequence[Tensor], losses: Sequence[Tensor]
    ) -> bool:
        """Whether all that losses give to the trunk comes by way of its output."""
        expected = torch.autograd.grad(torch.stack(list(losses)).sum(), trunk, retain_graph=True, allow_unused=True)
        rows = through_trunk(model.record(), trunk, cotangents, self._rows)
        sums = [rows[param].sum(0) if param in rows else None for param in trunk]
        return _agree(expected, sums)

    def _refuse_representation(self) -> None:
        if self.balance.level == "representation":
            raise InputError(
                "level='representation' takes gradients of what all heads are given: it needs a metaopt.SharedTrunk "
                "whose heads have the same inputs, and losses of their outputs alone; use level='parameters'."
            )

    def _params(self) -> list[Tensor]:
        params = self._model.parameters() if isinstance(self._model, nn.Module) else self._model
        return [param for param in params if param.requires_grad]

    def _checked(self, losses: Mapping[str, Tensor]) -> list[Tensor]:
        """The losses in the order of the tasks, 0-d each."""
        if not isinstance(losses, Mapping) or not losses:
            raise InputError(f"The losses of a step are given by task, {{'task': loss, …}}, got {quoted(losses)}.")
        names = self.names or tuple(losses)
        if set(losses) != set(names):
            raise InputError(
                f"Each step needs the losses of the same tasks, {listed(names)}, got those of {listed(losses)}."
            )
        for name, loss in losses.items():
            if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
                raise InputError(
                    f"The loss of the task {quoted(name)} must be one number with a graph, as before loss.backward(), "
                    f"got {quoted(loss)}."
                )
        self.names = names
        return [losses[name].reshape(()) for name in names]

    def _move(self, device: torch.device) -> None:
        if device.type != "cpu":
            self._hparams = {
                owner: {name: value.to(device) for name, value in own.items()} for owner, own in self._hparams.items()
            }
            self._horizon = None if self._horizon is None else self._horizon.to(device)
            self.state = {name: value.to(device) for name, value in self.state.items()}


def _add(param: Tensor, gradient: Tensor) -> None:
    gradient = gradient.to(param.dtype)
    param.grad = gradient.contiguous() if param.grad is None else param.grad + gradient


def _agree(expected: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> bool:
    """Whether tensors are the same within rounding; those that are not finite are compared by nobody."""
    pairs = list(zip(expected, others, strict=True))
    if any((one is None) != (other is None) for one, other in pairs):
        return False
    known = [(one.float(), other.float()) for one, other in pairs if one is not None and other is not None]
    apart = sum(float((one - other).square().sum()) for one, other in known)
    return not apart > _TOLERANCE**2 * sum(float(one.square().sum()) for one, _ in known)
