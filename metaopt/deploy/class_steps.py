"""What is looked at before each step of a library's class: gradients that it does not take, or not when it is fused."""

import warnings
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.fused import can_fuse, is_dense, put_in_order
from metaopt.deploy.members import MAXIMIZE
from metaopt.deploy.native import MakeOptimizer
from metaopt.deploy.parameters import Group
from metaopt.errors import InputError


@final
class ClassSteps:
    """A step hook. It costs a look at each gradient where the class is fused, and nothing to speak of where it is not.

    Args:
        optimizer: the class's.
        maximizes: whether the class heeds a group's `maximize`.
    """

    def __init__(self, optimizer: Optimizer, *, maximizes: bool) -> None:
        self._maximizes = maximizes
        self._num_groups = 0
        self._unseen: list[Tensor] = []
        self._contiguous: list[Tensor] = []
        self._others: list[Tensor] = []
        self._take_in(optimizer)

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Before a step.

        Raises:
            InputError: a gradient is sparse, or a group maximizes, and the class does not take it.
        """
        if len(optimizer.param_groups) != self._num_groups:
            self._take_in(optimizer)
        if not self._maximizes and any(group.get(MAXIMIZE) for group in optimizer.param_groups):
            raise InputError(
                f"{type(optimizer).__qualname__} has no maximize and would go down the gradient; make the optimizer "
                "with implementation='rule', or negate the loss."
            )
        if self._unseen:
            self._see(optimizer)
        for param in self._contiguous:
            grad = param.grad
            if grad is not None and not grad.is_contiguous():
                self._reconsider(optimizer, param)
        for param in self._others:
            if param.grad is not None:
                self._reconsider(optimizer, param)

    def _take_in(self, optimizer: Optimizer) -> None:
        """Parameters that joined may be such that nothing is fused any longer."""
        self._num_groups = len(optimizer.param_groups)
        params = [param for group in optimizer.param_groups for param in group["params"]]
        self._unseen = params
        fused = any(group.get("fused") for group in optimizer.param_groups)
        if fused and not can_fuse(params):
            fused = unfuse(optimizer)
        self._contiguous = [param for param in params if fused and param.is_contiguous()]
        self._others = [param for param in params if fused and not param.is_contiguous()]

    def _see(self, optimizer: Optimizer) -> None:
        """Look at first gradients: whether they are sparse shows with them."""
        kept = []
        for param in self._unseen:
            if param.grad is None:
                kept.append(param)
            elif param.grad.layout is not torch.strided:
                self._without_fusing(optimizer)
                check_sparse(optimizer, param)
        self._unseen = kept

    def _reconsider(self, optimizer: Optimizer, param: Tensor) -> None:
        assert param.grad is not None
        if param.grad.layout is not torch.strided:
            check_sparse(optimizer, param)
            self._without_fusing(optimizer)
        elif not is_dense(param):
            self._without_fusing(optimizer)
        else:
            put_in_order(param, optimizer.state.get(param, {}))

    def _without_fusing(self, optimizer: Optimizer) -> None:
        unfuse(optimizer)
        self._contiguous, self._others = [], []


def unfuse(optimizer: Optimizer) -> bool:
    """Step by the class's other path from now on, and let a `GradScaler` unscale for it; False.

    Raises:
        InputError: a `GradScaler` has left the unscaling of this very step to the fused kernel.
    """
    if getattr(optimizer, "grad_scale", None) is not None:
        raise InputError(
            "The first sparse gradients came in a step of a GradScaler, which left their unscaling to a fused kernel; "
            "call scaler.unscale_(optimizer) before scaler.step(optimizer) once, or set 'fused' to False in the "
            "optimizer's param groups."
        )
    for group in optimizer.param_groups:
        if "fused" in group:
            group["fused"] = False
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    return False


def check_sparse(optimizer: Optimizer, param: Tensor) -> None:
    """Have the class step on a stand-in with a sparse gradient.

    Raises:
        InputError: it does not take one.
    """
    group = next(group for group in optimizer.param_groups if any(param is other for other in group["params"]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on sparse tensors in general
            _try_sparse(type(optimizer), group, param.device)
    except Exception as error:  # whatever the class says
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"A parameter of shape {tuple(param.shape)} has a sparse gradient, which {type(optimizer).__qualname__} "
            f"does not take with these settings ({cause:.80}): use sparse=False in its embedding, or give it "
            "torch.optim.SparseAdam."
        ) from error


def _try_sparse(kind: MakeOptimizer, group: Group, device: torch.device) -> None:
    stand_in = torch.zeros(2, 1, device=device, requires_grad=True)
    settings = {key: value for key, value in group.items() if key not in ("params", "param_names", "fused")}
    optimizer = kind([{**settings, "params": [stand_in]}])
    index = torch.zeros(1, 1, dtype=torch.long, device=device)
    for _ in range(2):
        stand_in.grad = torch.sparse_coo_tensor(index, torch.ones(1, 1, device=device), (2, 1), check_invariants=False)
        optimizer.step()
