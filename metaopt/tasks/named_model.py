"""The user's own model of a folder's task, by name: `"package.module:factory"`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.errors import InputError, named_line, quoted
from metaopt.tasks.module_attribute import load_attribute


def named_model(
    reference: str, arguments: tuple[Any, ...], called_with: str, inputs: Tensor, num_outputs: int, where: str
) -> Callable[..., nn.Module]:
    """The user's factory, once it has made a model that turns two examples into outputs of the right shape.

    Args:
        reference: `"package.module:factory"`.
        arguments: that it is called with.
        called_with: their names, such as `"(num_inputs, num_outputs)"`, for messages.
        inputs: of two examples.
        num_outputs: numbers that the model makes of each.
        where: the file or folder, for messages.

    Raises:
        InputError: there is no such factory, it fails, or its model makes something else.
    """
    factory: Callable[..., nn.Module] = load_attribute(reference)
    shape = (len(inputs), num_outputs)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = factory(*arguments)(inputs)
    except Exception as error:  # a stranger's model: its fault, by name
        raise InputError(
            f"{where}: model {quoted(reference)} raised {named_line(error)}; it is called with "
            f"{called_with} = {arguments}."
        ) from error
    if not isinstance(output, Tensor) or tuple(output.shape) != shape:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(
            f"{where}: model {quoted(reference)} must turn two rows into a tensor of shape {shape}, got {got}."
        )
    return factory
