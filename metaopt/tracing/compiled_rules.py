"""A rule's update as one graph with dynamic sizes: compiled once, it serves every tensor of a dtype.

    param, state ← param + update, new state            in place, over numbers laid end to end

The update itself stays the rule's pure function; only the writing is done here. One dynamic graph costs a few seconds
to compile; one a shape, or one for a whole list of tensors, ten times that. Rules that measure a tensor first keep its
shape, and are two graphs: what is measured, with the new state, and the update. Neither stores anything of the tensor's
size.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any, TypeAlias, TypeVar, final

import torch
import torch.fx.experimental._config as shapes
from torch import Tensor

from metaopt.contracts import MeasureOne, PerTensorRule, Rule, StepInfo, TensorHparams, TensorState, Theta
from metaopt.tracing.graph_cache import is_hashable

#: Fewer numbers than this run eagerly: sizes 0 and 1 cannot be dynamic.
MIN_NUMEL = 2

#: Intermediate values are computed where they are used, and not stored, however often they are read. Only a value of
#: very many operations gets a name inside its loop, which halves the time to compile; with a lower number of operations
#: the compiler would split the loop and store every value.
INLINED: dict[str, str | int | bool | Callable[..., Any]] = {
    "realize_reads_threshold": 100_000,
    "realize_acc_reads_threshold": 100_000,
    "realize_opcount_threshold": 120,
    "cpp.enable_floating_point_contract_flag": "fast",
}

_Write: TypeAlias = Callable[..., None]
_T = TypeVar("_T")


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
        rule: a rule with granularity `"coordinate"`; what it prepares once a step is in `info` already.
        grad: gradient, in the shape of `param`.
        state: the tensor's state.
        param: current value.
        hparams: 0-d tensors by name.
        theta: learned weights by name.
        info: the step about to be taken.

    Returns:
        The update to add and the new state.
    """
    if isinstance(rule, PerTensorRule):
        return rule.one(grad, state, param, hparams, theta, info)
    whole = {"tensors": {"_": state}, "shared": {}}
    updates, new = rule.update({"_": grad}, whole, {"_": param}, {"_": hparams}, theta, info)  # type: ignore[arg-type]
    return updates["_"], new["tensors"]["_"]


@final
class CompiledUpdate:
    """Writes a rule's step into parameters and state; compiles at the first call for a dtype.

    Args:
        rule: a rule that `can_compile`.
        names: hyperparameters, in the order in which `numbers` holds them.

    Attributes:
        keeps_shapes: whether tensors come as they are, instead of laid end to end.
    """

    def __init__(self, rule: Rule, names: tuple[str, ...]) -> None:
        self._rule = rule
        self._names = names
        self.keeps_shapes = rule.granularity == "tensor"
        self._graphs: dict[Hashable, _Write] = {}

    def __call__(
        self, param: Tensor, grad: Tensor, state: Mapping[str, Tensor], numbers: Tensor, theta: Theta, info: StepInfo
    ) -> None:
        """Take one step in place.

        Args:
            param: `(n,)` with n ≥ `MIN_NUMEL`, or of its own shape, contiguous, written to. Less than float32 is
                computed in float32.
            grad: of the same shape, contiguous.
            state: by key, written to; of coordinate rules `(n,)` or 0-d.
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
        if isinstance(self._rule, PerTensorRule) and self._rule.measure_one is not None:
            return self._two_passes(self._rule, self._rule.measure_one)
        rule = self._rule

        def write(param: Tensor, grad: Tensor, state: TensorState, *rest: Any) -> None:
            wide, hparams, theta, info = self._given(param, *rest)
            update, new = update_tensor(rule, grad.to(wide.dtype), state, wide, hparams, theta, info)
            param.copy_(wide + update)
            for key, tensor in state.items():
                tensor.copy_(new[key])

        return torch.compile(own_code(write), dynamic=True, fullgraph=True)

    def _two_passes(self, rule: PerTensorRule, measure_one: MeasureOne) -> _Write:
        def measure(param: Tensor, grad: Tensor, state: TensorState, *rest: Any) -> TensorState:
            wide, hparams, theta, info = self._given(param, *rest)
            measured, new = measure_one(grad.to(wide.dtype), state, wide, hparams, theta, info)
            for key, tensor in state.items():
                tensor.copy_(new[key])
            return measured

        def write(param: Tensor, grad: Tensor, state: TensorState, measured: TensorState, *rest: Any) -> None:
            wide, hparams, theta, info = self._given(param, *rest)
            param.copy_(wide + rule.update_one(grad.to(wide.dtype), state, wide, hparams, theta, info, measured))

        first = torch.compile(own_code(measure), dynamic=True, fullgraph=True, options=INLINED)
        second = torch.compile(own_code(write), dynamic=True, fullgraph=True, options=INLINED)

        def both(param: Tensor, grad: Tensor, state: TensorState, *rest: Any) -> None:
            with shapes.patch(use_duck_shape=False):  # type: ignore[attr-defined]  # after a square matrix one that is not may come
                second(param, grad, state, first(param, grad, state, *rest), *rest)

        return both

    def _given(
        self,
        param: Tensor,
        numbers: Tensor,
        theta: Theta,
        step: Tensor,
        horizon: Tensor | None,
        loss: Tensor | None,
        signals: Mapping[str, Tensor],
    ) -> tuple[Tensor, TensorHparams, Theta, StepInfo]:
        """The parameter in the dtype to compute in, and what else a rule sees."""
        hparams = dict(zip(self._names, numbers.unbind(), strict=True))
        wide = param.to(torch.promote_types(param.dtype, torch.float32))
        return wide, hparams, theta, StepInfo(step=step, horizon=horizon, loss=loss, signals=signals)


def can_compile(rule: Rule) -> bool:
    """Whether one graph serves tensors of all sizes."""
    measures = isinstance(rule, PerTensorRule) and rule.measure_one is not None
    return rule.granularity == "coordinate" or (rule.granularity == "tensor" and measures)


def compiled_update(rule: Rule, names: tuple[str, ...]) -> CompiledUpdate:
    """The `CompiledUpdate` of a rule, the same for equal rules, so that a second optimizer need not compile again."""
    return _shared_by_equal_rules(rule, names) if is_hashable(rule) else CompiledUpdate(rule, names)


@lru_cache(maxsize=64)
def _shared_by_equal_rules(rule: Rule, names: tuple[str, ...]) -> CompiledUpdate:
    return CompiledUpdate(rule, names)


def _signature(param: Tensor, grad: Tensor, state: Mapping[str, Tensor], info: StepInfo) -> Hashable:
    """What a graph is specialised on."""
    state_kinds = tuple([(key, tensor.dtype, tensor.ndim) for key, tensor in state.items()])
    step_kind = (info.horizon is None, info.loss is None, tuple(info.signals))
    return param.dtype, grad.dtype, param.device, param.ndim, state_kinds, step_kind


def own_code(function: Callable[..., _T]) -> Callable[..., _T]:
    """The same function with a code object of its own: torch counts recompilations, and gives up, by code object."""
    assert isinstance(function, FunctionType)
    return FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
