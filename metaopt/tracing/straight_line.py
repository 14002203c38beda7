"""A function of tensors of fixed shapes, run once and then repeated as straight-line code.

vmap and autograd decide anew at each call which operations a population's gradient consists of, which costs more than
small models' arithmetic. The code does exactly those operations, without those that lead nowhere or repeat another one.
Only softmaxes over few classes are done another way.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from metaopt.tracing.recording import REPLACEMENTS, Call, Graph, NotRecordableError, Recorder, Slot


def replayed(function: Graph, *examples: Tensor) -> Graph:
    """`function`, of tensors to a list of tensors, as a list of operations for arguments shaped like `examples`.

    Where Python decides by tensors' values there is no such list, and the function is returned as it is.
    """
    inputs = [tensor.detach() for tensor in examples]  # a tensor in two places may be two tensors next time
    recorder = Recorder(inputs, REPLACEMENTS)
    try:
        with recorder:
            results = function(*inputs)
    except NotRecordableError:
        return function
    outputs = [recorder.slot(tensor) for tensor in results]
    calls, outputs = merged(recorder.calls, outputs)
    calls = needed(calls, outputs)
    return torch.no_grad()(straight_line(calls, recorder.inputs, outputs, recorder.constants))


def needed(calls: Sequence[Call], outputs: Sequence[Slot]) -> list[Call]:
    """The calls without those that no output depends on."""
    wanted, remaining = set(outputs), []
    for call in reversed(calls):
        if call.mutates or not wanted.isdisjoint(slots_in(call.slots)):
            wanted.update(slots_in((call.args, tuple(call.kwargs.values()))))
            remaining.append(call)
    return remaining[::-1]


def merged(calls: Sequence[Call], outputs: Sequence[Slot]) -> tuple[list[Call], list[Slot]]:
    """The calls without those that repeat an earlier one on the same arguments, and the outputs' new slots.

    Where anything is written in place, nothing is merged: an argument may have changed in between.
    """
    if any(call.mutates for call in calls):
        return list(calls), list(outputs)
    first: dict[Hashable, Slot] = {}
    instead: dict[Slot, Slot] = {}
    remaining = []
    for call in calls:
        args, kwargs = _renamed(call.args, instead), _renamed(dict(call.kwargs), instead)
        key = (call.function, _frozen(args), _frozen(kwargs))
        if isinstance(call.slots, Slot) and not call.random:
            earlier = first.setdefault(key, call.slots)
            if earlier != call.slots:
                instead[call.slots] = earlier
                continue
        remaining.append(replace(call, args=args, kwargs=kwargs))
    return remaining, [instead.get(slot, slot) for slot in outputs]


def slots_in(value: Any) -> list[Slot]:
    """All slots in nested lists and tuples."""
    if isinstance(value, Slot):
        return [value]
    return [slot for item in value for slot in slots_in(item)] if isinstance(value, list | tuple) else []


def straight_line(
    calls: Sequence[Call], inputs: Sequence[Slot], outputs: Sequence[Slot], constants: Mapping[Slot, Tensor]
) -> Callable[..., tuple[Tensor, ...]]:
    """A Python function, from input tensors to output tensors, that makes the calls."""
    source = _Source(constants)
    last: dict[Slot, int] = {}
    for index, call in enumerate(calls):
        last.update(dict.fromkeys(slots_in((call.slots, call.args, *call.kwargs.values())), index))
    done: dict[int, list[Slot]] = {}
    for slot in last.keys() - {*outputs, *constants}:
        done.setdefault(last[slot], []).append(slot)
    for index, call in enumerate(calls):
        source.call(index, call)
        source.forget(done.get(index, []))
    return source.function(inputs, outputs)


def _renamed(value: Any, names: Mapping[Slot, Slot]) -> Any:
    if isinstance(value, Slot):
        return names.get(value, value)
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    return type(value)(_renamed(item, names) for item in value) if isinstance(value, list | tuple) else value


def _frozen(value: Any) -> Hashable:
    """Hashable, and different where values are of different types: 1 is not 1.0, nor True."""
    if isinstance(value, dict):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return (type(value), *map(_frozen, value))
    return type(value), value if isinstance(value, Hashable) else id(value)


class _Source:
    """Python code as it grows."""

    def __init__(self, constants: Mapping[Slot, Tensor]) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {_local(slot): tensor for slot, tensor in constants.items()}

    def call(self, index: int, call: Call) -> None:
        self._names[f"f{index}"] = call.function
        arguments = [self._shown(value) for value in call.args]
        arguments += [f"{name}={self._shown(value)}" for name, value in call.kwargs.items()]
        if isinstance(call.slots, Slot):
            target = f"{_local(call.slots)} = "
        else:
            target = "".join(f"{'_' if slot is None else _local(slot)}, " for slot in call.slots)
            target = f"{target}= " if target else ""
        self._lines.append(f"{target}f{index}({', '.join(arguments)})")

    def forget(self, slots: Sequence[Slot]) -> None:
        """Memory is given back where it is last used."""
        if slots:
            self._lines.append(" = ".join(_local(slot) for slot in slots) + " = None")

    def function(self, inputs: Sequence[Slot], outputs: Sequence[Slot]) -> Callable[..., tuple[Tensor, ...]]:
        returned = "".join(f"{_local(slot)}, " for slot in outputs)
        body = "\n    ".join([*self._lines, f"return ({returned})"])
        exec(f"def replay({', '.join(map(_local, inputs))}):\n    {body}\n", self._names)
        replay: Callable[..., tuple[Tensor, ...]] = self._names["replay"]
        return replay

    def _shown(self, value: Any) -> str:
        if isinstance(value, Slot):
            return _local(value)
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._shown, value))}]"
        if value is None or type(value) in (bool, int):
            return repr(value)
        name = f"k{len(self._names)}"
        self._names[name] = value
        return name


def _local(slot: Slot) -> str:
    return f"t{slot.number}"
