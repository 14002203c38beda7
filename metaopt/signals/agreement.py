"""The signal `agreement`: whether a step's gradient and the last update point the same way."""

from collections.abc import Sequence

from torch import Tensor

from metaopt.signals.inner_products import cosine, inner_product


def agreement(gradients: Sequence[Tensor], updates: Sequence[Tensor], *, start: int = 0) -> Tensor:
    """⟨g, u⟩ / (‖g‖·‖u‖) over all tensors, in [−1, 1]; 0 where g or u is 0.

    Args:
        gradients: at least one.
        updates: of the same shapes.
        start: dimensions before it are members, each with its own.

    Returns:
        Shape of those dimensions, 0-d if there are none.
    """
    pairs = (gradients, updates), (gradients, gradients), (updates, updates)
    return cosine(*(inner_product(first, second, start=start) for first, second in pairs))
