"""Whole weights that `fully_shard` leaves in a module after a forward pass without a backward pass."""

import sys
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

#: Gives a model, or None where there is none or it is gone.
ModelReference: TypeAlias = Callable[[], nn.Module | None]


def reference_to(model: Any) -> ModelReference:
    """A weak reference to a model; of anything else, one to no model."""
    return weakref.ref(model) if isinstance(model, nn.Module) else no_model


def no_model() -> None:
    """The reference to no model."""


def drop_gathered(model: nn.Module | None) -> None:
    """Have the modules of a model gather their weights anew: what was written into the parts has to be seen.

    Args:
        model: any; only modules that `fully_shard` was applied to are touched.
    """
    kind: Any = getattr(sys.modules.get("torch.distributed.fsdp"), "FSDPModule", None)
    if kind is None or model is None:
        return
    for module in model.modules():
        if isinstance(module, kind):
            module.reshard()
