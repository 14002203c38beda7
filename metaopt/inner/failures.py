"""What is in the way where a task's own model, loss or metric fails, in one sentence."""

from collections.abc import Iterable

from torch import Tensor

from metaopt.errors import InputError, named_line


def failure(
    name: str, what: str, error: Exception, inputs: Tensor, targets: Tensor, params: Iterable[Tensor]
) -> InputError:
    """The sentence for what a task's code raised.

    Args:
        name: of the task.
        what: was computed, such as `"a batch"`.
        error: what it raised.
        inputs: of it.
        targets: of it.
        params: of the model.
    """
    return InputError(
        f"Task {name!r}: the model, the loss or the metric fails on {what}, inputs of shape {tuple(inputs.shape)} with "
        f"targets of shape {tuple(targets.shape)}: {named_line(error)}. {_advice(inputs, params)}"
    )


def _advice(inputs: Tensor, params: Iterable[Tensor]) -> str:
    dtypes = {param.dtype for param in params if param.is_floating_point()}
    if inputs.is_floating_point() and inputs.dtype not in dtypes and len(dtypes) == 1:
        own, given = (str(dtype).removeprefix("torch.") for dtype in (*dtypes, inputs.dtype))
        return f"The model is in {own} and its inputs are in {given}: give both one dtype."
    return "Try loss(model(inputs), targets) by itself."
