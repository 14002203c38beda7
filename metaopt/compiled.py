"""A rule's update as one graph with dynamic sizes: compiled once, it serves every tensor of a dtype.

    param, state ← param + update, new state            in place, over numbers laid end to end

The update itself stays the rule's pure function; only the writing is done here. One dynamic graph costs a few seconds
to compile; one a shape, or one for a whole list of tensors, ten times that.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from types import FunctionType
from typing import TypeAlias, final

import torch
from torch import Tensor

from metaopt.contracts import Rule, StepInfo, Theta
from metaopt.contracts.per_tensor import TensorHparams, TensorState

#: Fewer numbers than this run eagerly: sizes 0 and 1 cannot be dynamic.
MIN_NUMEL = 2

_Write: TypeAlias = Callable[..., None]


def update_tensor(
    rule: Rule,
    grad: Tensor,
    state: TensorState,
    param: Tensor,
    hparams: TensorHparams,
    theta: Theta,
    info: StepInfo,
) -> tuple[Tensor, TensorState]:
    """One step of a coordinate rule on one tensor of any shape, pure: it can be vmapped, differentiated and compiled.

    Args:
        rule: a rule with granularity `"coordinate"` and nothing shared.
        grad: gradient, in the shape of `param`.
        state: the tensor's state.
        param: current value.
        hparams: 0-d tensors by name.
        theta: learned weights by name.
        info: the step about to be taken.

    Returns:
        The update to add and the new state.
    """
    whole = {"tensors": {"_": state}, "shared": {}}
    updates, new = rule.update({"_": grad}, whole, {"_": param}, {"_": hparams}, theta, info)  # type: ignore[arg-type]
    return updates["_"], new["tensors"]["_"]


@final
class CompiledUpdate:
    """Writes a coordinate rule's step into flat parameters and state; compiles at the first call for a dtype.

    Args:
        rule: a rule with granularity `"coordinate"` and nothing shared.
        names: hyperparameters, in the order in which `numbers` holds them.
    """

    def __init__(self, rule: Rule, names: tuple[str, ...]) -> None:
        self._rule = rule
        self._names = names
        self._graphs: dict[Hashable, _Write] = {}

    def __call__(
        self, param: Tensor, grad: Tensor, state: Mapping[str, Tensor], numbers: Tensor, theta: Theta, info: StepInfo
    ) -> None:
        """Take one step in place.

        Args:
            param: `(n,)` with n ≥ `MIN_NUMEL`, contiguous, written to. Less than float32 is computed in float32.
            grad: `(n,)`, contiguous.
            state: by key, `(n,)` or 0-d, written to.
            numbers: `(len(names),)`, the hyperparameters, on the parameter's device.
            theta: learned weights by name.
            info: the step about to be taken.
        """
        key = _signature(param, grad, state, info)
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = self._compiled()
        graph(param, grad, dict(state), numbers, theta, info.step, info.horizon, info.loss, info.signals)

    def _compiled(self) -> _Write:
        rule, names = self._rule, self._names

        def write(
            param: Tensor,
            grad: Tensor,
            state: TensorState,
            numbers: Tensor,
            theta: Theta,
            step: Tensor,
            horizon: Tensor | None,
            loss: Tensor | None,
            signals: Mapping[str, Tensor],
        ) -> None:
            dtype = torch.promote_types(param.dtype, torch.float32)
            wide = param.to(dtype)
            hparams = dict(zip(names, numbers.unbind(), strict=True))
            info = StepInfo(step=step, horizon=horizon, loss=loss, signals=signals)
            update, new = update_tensor(rule, grad.to(dtype), state, wide, hparams, theta, info)
            param.copy_(wide + update)
            for key, tensor in state.items():
                tensor.copy_(new[key])

        return torch.compile(own_code(write), dynamic=True, fullgraph=True)


def compiled_update(rule: Rule, names: tuple[str, ...]) -> CompiledUpdate:
    """The `CompiledUpdate` of a rule, the same for equal rules, so that a second optimizer need not compile again."""
    return _remembered(rule, names) if isinstance(rule, Hashable) else CompiledUpdate(rule, names)


@lru_cache(maxsize=64)
def _remembered(rule: Rule, names: tuple[str, ...]) -> CompiledUpdate:
    return CompiledUpdate(rule, names)


def _signature(param: Tensor, grad: Tensor, state: Mapping[str, Tensor], info: StepInfo) -> Hashable:
    """What a graph is specialised on."""
    kept = tuple([(key, tensor.dtype, tensor.ndim) for key, tensor in state.items()])
    given = (info.horizon is None, info.loss is None, tuple(info.signals))
    return param.dtype, grad.dtype, param.device, kept, given


def own_code(function: _Write) -> _Write:
    """The same function with a code object of its own: torch counts recompilations, and gives up, by code object."""
    assert isinstance(function, FunctionType)
    return FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
