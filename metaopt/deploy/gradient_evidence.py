"""The signal `evidence` in users' loops: from the gradient of each example, or from those of micro-batches."""

from collections.abc import Callable, Iterable
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from metaopt.deploy.optimizer.precision import widened
from metaopt.errors import InputError, checked_function, named_line
from metaopt.shards import laid_as, local
from metaopt.signals import GradientMoments, evidence

#: Numbers of single gradients that are held at once.
_AT_ONCE = 16_777_216
#: From fewer micro-batches the expectation of g²/Var(g) is not finite.
_FEWEST = 4


@checked_function()
def gradient_evidence(
    model: nn.Module, loss_fn: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor
) -> float:
    """Evidence that training has nothing left to learn but noise, from the gradient of each example of one batch.

    1 − (B/D) · Σ g²/Var(g), with B examples, D parameters, g the batch's gradient, and Var(g) the variance of single
    examples' gradients, by https://arxiv.org/abs/1703.09580. Above 0, the gradient is smaller than noise alone makes it
    on average. It is for `run.observe(value, evidence=...)` with the stopper `evidence`; the model and its gradients
    are left as they were. Costs about two training steps and holds up to 16.8 million numbers at once; ask at
    validations, not at each step.

    Args:
        model: in the mode in which it trains.
        loss_fn: `(output, targets) -> 0-d tensor`, the mean over a batch.
        inputs: training examples, shape (B, ...), B ≥ 2. The more, the better: from tens of them single values are far
            below 0 now and then, and means of several hardly ever above it. The whole training set is fine if small.
        targets: shape (B, ...).

    Returns:
        At most 1. Parameters that are frozen, or whose gradients are all zero, do not count.

    Raises:
        InputError: fewer than two examples, nothing to train, or a model whose examples have no gradients of their own,
            as with BatchNorm in training mode.

    Example:
        >>> import torch, metaopt
        >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
        <torch._C.Generator object at ...>
        >>> model, inputs = torch.nn.Linear(3, 1), torch.randn(64, 3)
        >>> metaopt.gradient_evidence(model, torch.nn.functional.mse_loss, inputs, inputs.sum(1, keepdim=True)) < 0
        True
    """
    if len(inputs) != len(targets) or len(inputs) < 2:
        raise InputError(
            f"The evidence takes a batch of two examples or more, got {len(inputs)} inputs and {len(targets)} targets."
        )
    params = {name: param.detach() for name, param in model.named_parameters() if param.requires_grad}
    if not params:
        raise InputError("The evidence is about parameters in training, and none of this model requires gradients.")
    _check_examples_are_independent(model)

    def loss_of(params: dict[str, Tensor], example: Tensor, target: Tensor) -> Tensor:
        return loss_fn(functional_call(model, params, (example.unsqueeze(0),)), target.unsqueeze(0))

    single = vmap(grad(loss_of), in_dims=(None, 0, 0), randomness="different")
    size = max(1, _AT_ONCE // sum(param.numel() for param in params.values()))
    moments: dict[str, GradientMoments] = {}
    for rows, answers in zip(inputs.split(size), targets.split(size), strict=True):
        try:
            gradients = single(params, rows, answers)
        except Exception as error:  # whatever a stranger's model does under vmap
            raise InputError(
                f"Gradients of single examples fail with {named_line(error)}; take micro-batches "
                "instead, with metaopt.MicroBatches(model)."
            ) from error
        for name, gradient in gradients.items():
            of_rows = GradientMoments.of(widened(gradient).reshape(len(rows), 1, -1))
            moments[name] = moments[name].joined(of_rows) if name in moments else of_rows
    return float(evidence(moments.values()))


@final
class MicroBatches:
    """The evidence of `gradient_evidence` from micro-batches whose gradients accumulate into one step.

    The gradients of m micro-batches of equal size vary like those of single examples, only less, by their size; so the
    formula is that of m gradients. With so few, E[m · g²/Var(g)] is (m − 1)/(m − 3) where there is nothing but noise,
    and not 1; the sum is divided by it. Loss scaling that stays the same within a step makes no difference. Keeps three
    numbers for each parameter, of sharded ones (DTensors) for those that this rank holds.

    Args:
        model: the module in training, or its parameters.

    Example:
        >>> import torch, metaopt
        >>> model = torch.nn.Linear(3, 1)
        >>> micro_batches = metaopt.MicroBatches(model)
        >>> for inputs in torch.randn(8, 16, 3):
        ...     (model(inputs).square().mean() / 8).backward()
        ...     micro_batches.add()
        >>> value = micro_batches.evidence()  # before clipping, optimizer.step() and zero_grad()
    """

    def __init__(self, model: nn.Module | Iterable[Tensor]) -> None:
        params = model.parameters() if isinstance(model, nn.Module) else model
        self._params = [param for param in params if param.requires_grad]
        self._so_far: list[Tensor] = []
        self._moments: list[GradientMoments] = []

    @torch.no_grad()
    def add(self) -> None:
        """Call it after the backward pass of each micro-batch; do not call `zero_grad()` between them."""
        present = [widened(_part(param)).clone() for param in self._params]
        before = self._so_far or [torch.zeros_like(gradient) for gradient in present]
        own = [GradientMoments.of((new - old).reshape(1, 1, -1)) for new, old in zip(present, before, strict=True)]
        joined = [old.joined(new) for old, new in zip(self._moments, own, strict=True)] if self._moments else own
        self._so_far, self._moments = present, joined

    def evidence(self) -> float:
        """The evidence of the step whose micro-batches were added, and begin anew.

        Raises:
            InputError: fewer than four were added, or there is nothing to train.
        """
        moments, self._so_far, self._moments = self._moments, [], []
        count = moments[0].count if moments else 0
        if count < _FEWEST:
            raise InputError(
                f"The evidence of a step takes at least {_FEWEST} micro-batches, got {count}: call add() after the "
                "backward pass of each, make them smaller, or use metaopt.gradient_evidence."
            )
        return 1 - (1 - float(evidence(moments, self._params))) * (count - 3) / (count - 1)


def _part(param: Tensor) -> Tensor:
    """What this rank holds of a parameter's gradient."""
    return local(torch.zeros_like(param) if param.grad is None else laid_as(param.grad, param))


def _check_examples_are_independent(model: nn.Module) -> None:
    for name, layer in model.named_modules():
        mixes = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        if mixes and (layer.training or layer.running_mean is None):
            raise InputError(
                f"The layer {name!r} ({type(layer).__name__}) mixes the examples of a batch, so that single ones have "
                "no gradients: take micro-batches, with metaopt.MicroBatches(model), or call model.eval() before."
            )
