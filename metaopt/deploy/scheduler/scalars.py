"""A controller's update over plain numbers: what it does to 0-d tensors, written down once and done by Python itself.

A training step asks a closed-loop controller once, about a handful of numbers. As tensors each operation on them costs
a microsecond and more; as Python's floats, which are torch's float64, some fifty nanoseconds. Sums, products, quotients
and roots are the same bits; what C's mathematical library computes (exp, log, cos …) may differ in the last.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor

from metaopt.tracing import NotRecordableError, Recorder, merged, needed, straight_line

#: From numbers to numbers.
Scalars: TypeAlias = Callable[..., tuple[Any, ...]]


def over_scalars(function: Callable[[], Sequence[Tensor]], inputs: Sequence[Tensor]) -> Scalars | None:
    """What `function` makes of its inputs, as a function from numbers to numbers; None where it has no such form.

    Args:
        function: computes 0-d tensors from `inputs`; other tensors that it reads never change.
        inputs: 0-d, float64; other numbers stand for them at each call.
    """
    table = _table()
    recorder = Recorder(inputs, table)
    try:
        with torch.no_grad(), recorder:
            results = list(function())
        outputs = [recorder.slot(tensor) for tensor in results]
    except NotRecordableError:
        return None
    calls = needed(recorder.calls, outputs)
    plain_functions = set(map(id, table.values()))
    all_scalars = all(tensor.ndim == 0 and tensor.dtype in (torch.float64, torch.bool) for tensor in recorder.tensors)
    if not all_scalars or any(
        id(call.function) not in plain_functions or call.random or call.mutates for call in calls
    ):
        return None
    calls, outputs = merged(calls, outputs)
    constants: Mapping[Any, Any] = {slot: constant.item() for slot, constant in recorder.constants.items()}
    return straight_line(calls, recorder.inputs, outputs, constants)


def _same(value: Any, *_: Any, **__: Any) -> Any:
    return value


def _converted(value: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Any:
    return float(value) if dtype == torch.float64 else bool(value) if dtype == torch.bool else value


def _add(first: float, second: float, *, alpha: float = 1) -> float:
    return first + second if alpha == 1 else first + alpha * second


def _subtract(first: float, second: float, *, alpha: float = 1) -> float:
    return first - second if alpha == 1 else first - alpha * second


def _subtract_from(first: float, second: float, alpha: float = 1) -> float:
    return _subtract(second, first, alpha=alpha)


def _divide(first: float, second: float) -> float:
    try:
        return first / second
    except ZeroDivisionError:
        if first == 0 or first != first:
            return math.nan
        return math.copysign(math.inf, first) * math.copysign(1.0, second)


def _power(base: float, exponent: float) -> float:
    if exponent == 2:
        return base * base
    return float(torch.tensor(base, dtype=torch.float64) ** exponent)


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _logarithm(value: float) -> float:
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan


def _cosine(value: float) -> float:
    return math.cos(value) if math.isfinite(value) else math.nan


def _maximum(first: float, second: float) -> float:
    return first if first > second or first != first else second


def _minimum(first: float, second: float) -> float:
    return first if first < second or first != first else second


def _clamp(value: float, low: float | None = None, high: float | None = None, **bounds: float | None) -> float:
    low, high = bounds.get("min", low), bounds.get("max", high)
    value = value if low is None else _maximum(value, low)
    return value if high is None else _minimum(value, high)


def _where(condition: bool, first: Any, second: Any) -> Any:
    return first if condition else second


def _one(*_: Any, **__: Any) -> float:
    return 1.0


def _zero(*_: Any, **__: Any) -> float:
    return 0.0


def _full(_: Any, value: float, **__: Any) -> float:
    return float(value)


@cache
def _table() -> dict[Any, Callable[..., Any]]:
    """Functions of plain numbers by torch operation, made when first needed: looking them up takes milliseconds."""
    by_name: dict[str, Callable[..., Any]] = {
        "add": _add,
        "sub": _subtract,
        "rsub": _subtract_from,
        "mul": operator.mul,
        "div": _divide,
        "reciprocal": lambda value: _divide(1.0, value),
        "neg": operator.neg,
        "abs": abs,
        "pow": _power,
        "sqrt": _root,
        "rsqrt": lambda value: _divide(1.0, _root(value)),
        "exp": _exponential,
        "log": _logarithm,
        "cos": _cosine,
        "tanh": math.tanh,
        "maximum": _maximum,
        "minimum": _minimum,
        "clamp": _clamp,
        "clamp_min": _maximum,
        "clamp_max": _minimum,
        "where": _where,
        "isfinite": math.isfinite,
        "isnan": math.isnan,
        "eq": operator.eq,
        "ne": operator.ne,
        "lt": operator.lt,
        "le": operator.le,
        "gt": operator.gt,
        "ge": operator.ge,
        "bitwise_and": operator.and_,
        "bitwise_or": operator.or_,
        "bitwise_not": operator.not_,
        "logical_and": operator.and_,
        "logical_or": operator.or_,
        "logical_not": operator.not_,
        "ones_like": _one,
        "zeros_like": _zero,
        "full_like": _full,
        "scalar_tensor": _converted,
        "_to_copy": _converted,
        "clone": _same,
        "alias": _same,
        "lift_fresh": _same,
        "lift_fresh_copy": _same,
    }
    packets = {name: getattr(torch.ops.aten, name) for name in by_name}
    overloads = [
        (packet, overload, by_name[name]) for name, packet in packets.items() for overload in packet.overloads()
    ]
    return {getattr(packet, overload): function for packet, overload, function in overloads}
