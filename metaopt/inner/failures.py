"""What is in the way where a task's own model, loss or metric fails, in one sentence."""

from collections.abc import Iterable

from torch import Tensor, nn

from metaopt.errors import InputError, named_line, quoted


def check_trains(name: str, module: nn.Module) -> None:
    """Check that a task's model has something to train.

    Raises:
        InputError: no parameter requires a gradient, or one has no data or is not of real floating numbers.
    """
    params = {key: param for key, param in module.named_parameters() if param.requires_grad}
    if not params:
        raise InputError(
            f"Task {name!r}: the model has nothing to train, for no parameter requires a gradient; unfreeze some."
        )
    for key, param in params.items():
        if param.is_meta:
            raise InputError(
                f"Task {name!r}: parameter {quoted(key)} is on the meta device and has no data; build the model on the "
                "CPU."
            )
        if not param.is_floating_point():
            raise InputError(
                f"Task {name!r}: parameter {quoted(key)} is of {param.dtype}; what is trained are real "
                "floating numbers."
            )


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
