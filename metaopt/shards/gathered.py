"""Whole weights that `fully_shard` leaves in a module after a forward pass without a backward pass."""

import sys
from typing import Any

from torch import nn


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
