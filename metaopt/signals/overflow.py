"""Gradients that no rule can step with, and how many of them in a row end a run; the same deployed and in the engine.

A step is skipped where ‖g‖² overflows float32, with ‖g‖ over all gradients together: where an entry is infinite or
NaN, and also at 1e30, whose square is infinite in every second moment. Whatever the gradients' dtype, the limit is that
of float32, in which rules keep their state.
"""

import math

import torch

#: The largest Euclidean norm whose square float32 can hold, about 1.8e19.
LARGEST_NORM = math.sqrt(torch.finfo(torch.float32).max)
#: So many skipped steps in a row, on as many batches and with weights that stayed where they were, end a run.
MAX_SKIPS = 20


def overflows(norm: float) -> bool:
    """Whether gradients of this norm are no step for anyone; NaN is not."""
    return not norm <= LARGEST_NORM
