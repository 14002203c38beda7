"""torch's default dtype, which people may change: their own code sees theirs, that of rules and controllers float32.

A rule that makes a tensor without saying a dtype (`torch.zeros(())`) means float32. In float64 it would widen what is
computed, and other random numbers would be drawn.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator, contextmanager

import torch
from torch import Tensor

#: What people had set before float32 took its place, outermost first.
_theirs: list[torch.dtype] = []


class Float32ByDefault(ContextDecorator):
    """Inside, tensors made without a dtype are float32; around whatever calls rules and controllers."""

    def __init__(self) -> None:
        self._replaced: list[bool] = []

    def _recreate_cm(self) -> "Float32ByDefault":
        return Float32ByDefault()

    def __enter__(self) -> None:
        theirs = torch.get_default_dtype()
        self._replaced.append(theirs != torch.float32)
        if theirs != torch.float32:
            _theirs.append(theirs)
            torch.set_default_dtype(torch.float32)

    def __exit__(self, *_: object) -> None:
        if self._replaced.pop():
            torch.set_default_dtype(_theirs.pop())


@contextmanager
def default_for(examples: Callable[[], Iterable[Tensor]]) -> Iterator[None]:
    """Inside, tensors made without a dtype are as people's own code expects, be it a model, a loss or a metric.

    Where the default is not float32, that is the dtype of the data: a model that `nn.Linear(4, 1)` makes fits it.

    Args:
        examples: gives inputs and targets; the first that are floating numbers count.
    """
    before = torch.get_default_dtype()
    wanted = _theirs[-1] if _theirs else before
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
