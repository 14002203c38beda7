"""How many numbers one output of a weight sees."""

import math
from collections.abc import Sequence


def fan_in_of(shape: Sequence[int]) -> int:
    """The numbers in a tensor over those of its first dimension; 1 for vectors and scalars.

    As torch's layers hold their weights: in_features of a linear layer, in_channels / groups × kernel of a convolution.

    Example:
        >>> fan_in_of((32, 3, 5, 5))
        75
    """
    return math.prod(shape[1:])
