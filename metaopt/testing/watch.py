"""Notices when a plugin writes to its arguments, or draws from the global random generator."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from metaopt.testing.errors import ConformanceError


class WriteGuard(TorchDispatchMode):
    """While active, an operation that writes in place to one of `tensors`, or to a view of it, raises."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        # Tensors without elements share the address 0.
        self._guarded = {_address(tensor) for tensor in tensors if tensor.numel()}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation, unless it writes to a guarded tensor."""
        arguments = {
            **dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)),
            **(kwargs or {}),
        }
        for argument in func._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._check(arguments.get(argument.name), func)
        return func(*args, **(kwargs or {}))

    def _check(self, written: Any, func: Any) -> None:
        for tensor in written if isinstance(written, list | tuple) else [written]:
            if isinstance(tensor, Tensor) and _address(tensor) in self._guarded:
                raise ConformanceError(
                    f"It writes in place ({func.__name__.split('.')[0]}) to a tensor that it was given; "
                    "compute a new tensor instead."
                )


class DrawGuard(TorchDispatchMode):
    """While active, an operation that draws from the global random generator raises `message`, at its own line."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self._message = message

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and see whether the generator has moved."""
        before = torch.get_rng_state()
        result = func(*args, **(kwargs or {}))
        if not torch.equal(before, torch.get_rng_state()):
            raise ConformanceError(self._message)
        return result


class ReadOnly(dict[str, Any]):
    """A dict that raises when it is changed; its copies are ordinary dicts."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ConformanceError("It changes a dict that it was given; return a new dict, such as {**state, key: value}.")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def read_only(value: Any) -> Any:
    """`value` with every dict inside replaced by a read-only one."""
    if isinstance(value, Mapping):
        return ReadOnly({key: read_only(item) for key, item in value.items()})
    return value


def tensors_in(*values: Any) -> list[Tensor]:
    """All tensors in nested mappings."""
    tensors: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, Mapping):
            tensors += tensors_in(*value.values())
    return tensors


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
