"""What a function of tensors does when it runs once: its operations, in their order.

Below vmap and autograd only plain operations on plain tensors are left, and these are few. Recording them takes little
longer than doing them; tracing with torch's own tools takes a hundred times as long, and calls cost more afterwards.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torch.fx import Node
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten

#: A function of tensors in a row.
Graph: TypeAlias = Callable[..., Any]

#: torch's softmax over a last dimension that is shorter than this takes ten times as long as over any other dimension.
SHORT = 16
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
        random: whether it may give something else the next time.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    slots: "Slot | tuple[Slot | None, ...]"
    mutates: bool
    random: bool


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
        self._views: dict[Hashable, Slot] = {}
        self._owners: dict[Slot, Slot] = {}
        self._alive: list[Tensor] = []  # an id is a name only while its tensor lives
        self.inputs = [self._new(tensor) for tensor in inputs]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do the operation and note it."""
        if not _READS_VALUES.isdisjoint(func.tags):
            raise NotRecordableError(f"{func} reads tensors' values.")
        result = func(*args, **(kwargs or {}))
        if torch.Tag.inplace_view in func.tags:
            self._reshaped(result)
        if func is _aten.detach.default:
            self._name(result, self.slot(args[0]))
            return result
        if isinstance(result, Tensor):
            if self._is_known(result, args):
                return result
            slots: Slot | tuple[Slot | None, ...] = self._new(result)
        elif isinstance(result, list | tuple):
            slots = tuple(self._new(item) if isinstance(item, Tensor) else None for item in result)
        elif func._schema.is_mutable:
            slots = ()
        else:
            return result  # a dtype, a size
        function = self._replacements.get(func, func._op)
        keywords = with_dtype(func, args, kwargs or {}, result)
        noted = self._noted(args), {key: self._noted(value) for key, value in keywords.items()}
        random = torch.Tag.nondeterministic_seeded in func.tags
        self.calls.append(Call(function, *noted, slots, func._schema.is_mutable, random))
        return result

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Every tensor that was seen."""
        return self._alive

    def slot(self, tensor: Tensor) -> Slot:
        """The tensor's slot; a tensor never seen before is a constant."""
        slot = self._slots.get(id(tensor))
        if slot is None:
            slot = self._new(tensor)
            self.constants[slot] = tensor
        return slot

    def _new(self, tensor: Tensor) -> Slot:
        # An operation in place returns its argument, which keeps its slot.
        slot = self._slots.get(id(tensor))
        return self._name(tensor, Slot(len(self._alive))) if slot is None else slot

    def _is_known(self, result: Tensor, args: tuple[Any, ...]) -> bool:
        """Whether an operation gave a view that exists already, as vmap's often do: the result then shares its slot."""
        if id(result) in self._slots or not args or not isinstance(args[0], Tensor):
            return False
        if result.untyped_storage().data_ptr() != args[0].untyped_storage().data_ptr():
            return False
        viewed = self.slot(args[0])
        # Two inputs may be one tensor in this call and two in the next: what is viewed counts, not where it lies.
        owner = self._owners.setdefault(viewed, viewed)
        self._views.setdefault((owner, *_geometry(args[0])), viewed)
        earlier = self._views.get((owner, *_geometry(result)))
        if earlier is not None:
            self._name(result, earlier)
            return True
        slot = self._new(result)
        self._owners[slot] = owner
        self._views[owner, *_geometry(result)] = slot
        return False

    def _reshaped(self, tensor: Tensor) -> None:
        """Forget what a tensor looked like before it was given another shape in place, as by `squeeze_`."""
        slot = self._slots.get(id(tensor))
        self._views = {geometry: viewed for geometry, viewed in self._views.items() if viewed != slot}

    def _name(self, tensor: Tensor, slot: Slot) -> Slot:
        self._slots[id(tensor)] = slot
        self._alive.append(tensor)
        return slot

    def _noted(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.slot(value)
        if isinstance(value, list | tuple):
            return type(value)(self._noted(item) for item in value)
        return value


def with_dtype(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> dict[str, Any]:
    """Arguments that give the result's dtype whatever torch's default is: `eye(3)` becomes `eye(3, dtype=…)`."""
    is_factory = isinstance(result, Tensor) and not any(isinstance(value, Tensor | Node) for value in args)
    arguments = {argument.name for argument in func._schema.arguments}
    if not is_factory or kwargs.get("dtype") is not None or "dtype" not in arguments:
        return dict(kwargs)
    return {**kwargs, "dtype": result.dtype}


def _geometry(tensor: Tensor) -> tuple[Hashable, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _turning(operation: Graph) -> Graph:
    """A softmax, `(input, dim, …)`, done across rows instead of along them where rows are short."""

    def forward(input: Tensor, dim: int, *rest: Any) -> Tensor:
        if not _is_short(input, dim):
            return cast(Tensor, operation(input, dim, *rest))
        return _turned(cast(Tensor, operation(_turned(input), input.ndim - 2, *rest)))

    return forward


def _turning_backward(operation: Graph) -> Graph:
    """The same for a softmax's gradient, `(grad, output, dim, …)`."""

    def backward(grad: Tensor, output: Tensor, dim: int, *rest: Any) -> Tensor:
        if not _is_short(output, dim):
            return cast(Tensor, operation(grad, output, dim, *rest))
        return _turned(cast(Tensor, operation(_turned(grad), _turned(output), output.ndim - 2, *rest)))

    return backward


#: Faster ways to do some operations.
REPLACEMENTS: dict[Any, Graph] = {
    _aten._log_softmax.default: _turning(_aten._log_softmax.default),
    _aten._softmax.default: _turning(_aten._softmax.default),
    _aten._log_softmax_backward_data.default: _turning_backward(_aten._log_softmax_backward_data.default),
    _aten._softmax_backward_data.default: _turning_backward(_aten._softmax_backward_data.default),
}


def _is_short(tensor: Tensor, dim: int) -> bool:
    return tensor.ndim >= 2 and dim % tensor.ndim == tensor.ndim - 1 and tensor.shape[-1] < SHORT


def _turned(tensor: Tensor) -> Tensor:
    # Contiguous, as torch's own result is: later operations were recorded as views of a contiguous tensor.
    return tensor.transpose(-1, -2).contiguous()
