"""Whether a module is part of a block that comes several times."""

from typing import Any

from torch import nn


def is_repeated(model: nn.Module, owner: str) -> bool:
    """Whether a module lies within one of several members of a list that are built alike.

    Args:
        model: the model.
        owner: full name of the module.
    """
    parts = owner.split(".")
    for end in range(1, len(parts)):
        parent = model.get_submodule(".".join(parts[: end - 1]))
        if isinstance(parent, nn.ModuleList | nn.Sequential):
            own = model.get_submodule(".".join(parts[:end]))
            if sum(_build(other) == _build(own) for other in parent) > 1:
                return True
    return False


def _build(module: nn.Module) -> Any:
    return type(module), [(name, tuple(param.shape)) for name, param in module.named_parameters()]
