"""A function of tensors as straight-line code: the operations that it did when it ran once, in their order.

Below vmap and autograd only plain operations on plain tensors are left, and these are few. Recording them takes little
longer than doing them; tracing with torch's own tools takes a hundred times as long, and calls cost more afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
#: What torch calls operations whose result is a number, or of a size, that depends on values.
_READS_VALUES = frozenset({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape})


class NotRecordableError(Exception):
    """What the function does depends on values of tensors."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation.

    Attributes:
        function: of torch, without its Python wrapper.
        args: plain values, `Slot`s for tensors, lists of both.
        kwargs: likewise.
        slots: where its tensors go; None for what is no tensor.
        mutates: whether it writes into an argument.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    slots: "Slot | tuple[Slot | None, ...]"
    mutates: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """A tensor of a recording, by number."""

    number: int


class Recorder(TorchDispatchMode):
    """Inside, operations are done and written down.

    Args:
        inputs: tensors that are other ones at each repetition; all others that are read count as constants.
        replacements: other ways to do some operations.
    """

    def __init__(self, inputs: Sequence[Tensor], replacements: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.constants: dict[Slot, Tensor] = {}
        self._replacements = replacements
        self._slots: dict[int, Slot] = {}
        self._alive: list[Tensor] = []  # an id is a name only while its tensor lives
        self.inputs = [self._new(tensor) for tensor in inputs]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do the operation and note it."""
        if not _READS_VALUES.isdisjoint(func.tags):
            raise NotRecordableError(f"{func} reads tensors' values.")
        result = func(*args, **(kwargs or {}))
        if func is _aten.detach.default:
            self._name(result, self.slot(args[0]))
            return result
        if isinstance(result, Tensor):
            slots: Slot | tuple[Slot | None, ...] = self._new(result)
        elif isinstance(result, list | tuple):
            slots = tuple(self._new(one) if isinstance(one, Tensor) else None for one in result)
        elif func._schema.is_mutable:
            slots = ()
        else:
            return result  # a dtype, a size
        function = self._replacements.get(func, func._op)
        noted = self._noted(args), {key: self._noted(value) for key, value in (kwargs or {}).items()}
        self.calls.append(Call(function, *noted, slots, func._schema.is_mutable))
        return result

    def slot(self, tensor: Tensor) -> Slot:
        """The tensor's slot; a tensor never seen before is a constant."""
        found = self._slots.get(id(tensor))
        if found is None:
            found = self._new(tensor)
            self.constants[found] = tensor
        return found

    def _new(self, tensor: Tensor) -> Slot:
        # An operation in place returns its argument, which keeps its slot.
        known = self._slots.get(id(tensor))
        return self._name(tensor, Slot(len(self._alive))) if known is None else known

    def _name(self, tensor: Tensor, slot: Slot) -> Slot:
        self._slots[id(tensor)] = slot
        self._alive.append(tensor)
        return slot

    def _noted(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.slot(value)
        if isinstance(value, list | tuple):
            return type(value)(self._noted(one) for one in value)
        return value


def needed(calls: Sequence[Call], outputs: Sequence[Slot]) -> list[Call]:
    """The calls without those that no output depends on."""
    wanted, kept = set(outputs), []
    for call in reversed(calls):
        if call.mutates or not wanted.isdisjoint(slots_in(call.slots)):
            wanted.update(slots_in((call.args, tuple(call.kwargs.values()))))
            kept.append(call)
    return kept[::-1]


def slots_in(value: Any) -> list[Slot]:
    """All slots in nested lists and tuples."""
    if isinstance(value, Slot):
        return [value]
    return [slot for one in value for slot in slots_in(one)] if isinstance(value, list | tuple) else []


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


class _Source:
    """Python code as it grows."""

    def __init__(self, constants: Mapping[Slot, Tensor]) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {_local(slot): tensor for slot, tensor in constants.items()}

    def call(self, index: int, call: Call) -> None:
        self._names[f"f{index}"] = call.function
        given = [self._shown(value) for value in call.args]
        given += [f"{name}={self._shown(value)}" for name, value in call.kwargs.items()]
        if isinstance(call.slots, Slot):
            target = f"{_local(call.slots)} = "
        else:
            target = "".join(f"{'_' if slot is None else _local(slot)}, " for slot in call.slots)
            target = f"{target}= " if target else ""
        self._lines.append(f"{target}f{index}({', '.join(given)})")

    def forget(self, slots: Sequence[Slot]) -> None:
        """Memory is given back where it is last used."""
        if slots:
            self._lines.append(" = ".join(_local(slot) for slot in slots) + " = None")

    def function(self, inputs: Sequence[Slot], outputs: Sequence[Slot]) -> Callable[..., tuple[Tensor, ...]]:
        returned = "".join(f"{_local(slot)}, " for slot in outputs)
        body = "\n    ".join([*self._lines, f"return ({returned})"])
        exec(f"def replay({', '.join(map(_local, inputs))}):\n    {body}\n", self._names)
        made: Callable[..., tuple[Tensor, ...]] = self._names["replay"]
        return made

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
