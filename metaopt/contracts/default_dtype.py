"""torch's default dtype, which people may change: their own code sees theirs, that of rules and controllers float32.

A rule that makes a tensor without saying a dtype (`torch.zeros(())`) means float32. In float64 it would widen what is
computed, and other random numbers would be drawn.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator, contextmanager

import torch
from torch import Tensor

#: The defaults that float32 has taken the place of, outermost first: one list a process, as torch has one default.
_users_defaults: list[torch.dtype] = []


class Float32ByDefault(ContextDecorator):
    """Inside, tensors made without a dtype are float32; around whatever calls rules and controllers."""

    def __init__(self) -> None:
        self._replaced: list[bool] = []

    def _recreate_cm(self) -> "Float32ByDefault":
        return Float32ByDefault()

    def __enter__(self) -> None:
        users_default = torch.get_default_dtype()
        self._replaced.append(users_default != torch.float32)
        if users_default != torch.float32:
            _users_defaults.append(users_default)
            torch.set_default_dtype(torch.float32)

    def __exit__(self, *_: object) -> None:
        if self._replaced.pop():
            torch.set_default_dtype(_users_defaults.pop())


@contextmanager
def default_for(examples: Callable[[], Iterable[Tensor]]) -> Iterator[None]:
    """Inside, tensors made without a dtype are as people's own code expects, be it a model, a loss or a metric.

    Where the default is not float32, that is the dtype of the data: a model that `nn.Linear(4, 1)` makes fits it.

    Args:
        examples: gives inputs and targets; the first that are floating numbers count.
    """
    before = torch.get_default_dtype()
    wanted = _users_defaults[-1] if _users_defaults else before
    if wanted != torch.float32:
        wanted = next((tensor.dtype for tensor in examples() if tensor.is_floating_point()), wanted)
    if wanted == before:
        yield
        return
    torch.set_default_dtype(wanted)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
