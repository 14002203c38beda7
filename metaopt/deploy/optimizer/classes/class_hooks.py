"""A look at the gradients of a library's class before each step: some it does not take, or not while it is fused."""

import warnings
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.optimizer.classes.native_class import MakeOptimizer, maximizes
from metaopt.deploy.optimizer.fused import can_fuse, is_dense, put_in_order
from metaopt.deploy.optimizer.parameters import MAXIMIZE, Group
from metaopt.deploy.state.stand_ins import as_built
from metaopt.errors import InputError

#: Every so many steps all gradients of a fused class are looked at.
EVERY = 16


@final
class ClassSteps:
    """Looks at each parameter's first gradient, and later at the gradients that may have changed their layout.

    Where the class is fused these are the gradients that did not lie as their parameters do (whoever assigns such ones
    tends to do so at each step), one parameter of each number of dimensions (a model changes its memory format as a
    whole), and now and then all of them: a look at each would cost 5 % of a step.

    Args:
        optimizer: the class's.
        made: the class with the arguments that it was made with.
        trial: raises where the class cannot step groups, to be tried where some were added; or None.
    """

    def __init__(
        self, optimizer: Optimizer, made: MakeOptimizer, trial: Callable[[list[Group]], object] | None = None
    ) -> None:
        self._made, self._trial = made, trial
        self._num_groups = self._num_steps = 0
        self._maximizes = maximizes(type(optimizer))
        self._fused = False
        self._unseen: list[Tensor] = []
        self._params: list[Tensor] = []
        self._misfits: list[Tensor] = []
        self._sentinels: list[tuple[Tensor, tuple[int, ...]]] = []
        self._take_in(optimizer)

    def look(self, optimizer: Optimizer) -> None:
        """Look at a step's gradients, before it is taken.

        Raises:
            InputError: a gradient is sparse, or a group maximizes, and the class does not take it.
            PluginError: see `look_at_groups`.
        """
        self.look_at_groups(optimizer)
        if not self._maximizes and any(group.get(MAXIMIZE) for group in optimizer.param_groups):
            raise InputError(
                f"{type(optimizer).__qualname__} has no maximize and would go down the gradient; make the optimizer "
                "with implementation='rule', or negate the loss."
            )
        if self._unseen:
            self._see(optimizer)
        if self._fused:
            self._keep_order(optimizer)

    def look_at_groups(self, optimizer: Optimizer) -> None:
        """Take in groups that were added since the last step, before a closure has made gradients.

        Raises:
            PluginError: the class has no rule, and cannot step them.
        """
        if len(optimizer.param_groups) == self._num_groups:
            return
        if self._trial is not None:
            self._trial(optimizer.param_groups)
        _begin_state(optimizer, self._made, self._num_groups)
        self._take_in(optimizer)

    def _keep_order(self, optimizer: Optimizer) -> None:
        self._num_steps += 1
        if any(param.stride() != stride for param, stride in self._sentinels):
            for param in self._params:
                self._fit(optimizer, param)
            self._post_sentinels()
        elif not self._num_steps % EVERY:
            for param in self._params:
                if param.grad is not None and not _alike(param.grad, param):
                    self._fit(optimizer, param)
        else:
            for param in self._misfits:
                self._fit(optimizer, param)

    def _take_in(self, optimizer: Optimizer) -> None:
        """Note the groups' parameters; if one of them cannot be fused, none is from now on."""
        self._num_groups = len(optimizer.param_groups)
        self._params = [param for group in optimizer.param_groups for param in group["params"]]
        self._unseen = list(self._params)
        self._fused = any(group.get("fused") for group in optimizer.param_groups)
        if self._fused and not can_fuse(self._params):
            self._unfuse(optimizer)
        self._post_sentinels()

    def _post_sentinels(self) -> None:
        by_rank = {param.ndim: param for param in reversed(self._params)} if self._fused else {}
        self._sentinels = [(param, param.stride()) for ndim, param in by_rank.items() if ndim > 1]

    def _see(self, optimizer: Optimizer) -> None:
        """Look at first gradients, which show whether they are sparse."""
        for param in self._unseen:
            if param.grad is not None:
                self._fit(optimizer, param)
        self._unseen = [param for param in self._unseen if param.grad is None]

    def _fit(self, optimizer: Optimizer, param: Tensor) -> None:
        grad = param.grad
        if grad is None:
            return
        if grad.layout is not torch.strided:
            check_sparse(optimizer, param)
            self._unfuse(optimizer)
        elif self._fused and not is_dense(param):
            self._unfuse(optimizer)
        elif self._fused and put_in_order(param, optimizer.state.get(param, {})) and param not in set(self._misfits):
            self._misfits.append(param)

    def _unfuse(self, optimizer: Optimizer) -> None:
        if self._fused:
            unfuse(optimizer)
            self._fused = False


def _begin_state(optimizer: Optimizer, made: MakeOptimizer, num_before: int) -> None:
    """Give groups that were added later what the class makes when it is built, which some make only then.

    That is the state of parameters, as of some Adagrads, and lists with an entry for each group, such as `base_lrs`.
    """
    for count, group in enumerate(optimizer.param_groups[num_before:], num_before):
        alone = as_built(made, group)
        optimizer.state.update({param: state for param, state in alone.state.items() if param not in optimizer.state})
        for name, entries in vars(alone).items():
            own = vars(optimizer).get(name)
            if isinstance(own, list) and isinstance(entries, list) and (len(own), len(entries)) == (count, 1):
                own.extend(entries)


def _alike(grad: Tensor, param: Tensor) -> bool:
    return grad.layout is torch.strided and grad.stride() == param.stride()


def unfuse(optimizer: Optimizer) -> None:
    """Have the class step without its fused kernel from now on, and a `GradScaler` unscale the gradients.

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
