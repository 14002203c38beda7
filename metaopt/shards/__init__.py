"""Tensors of which each rank holds a part: torch's DTensors, as `fully_shard` and `parallelize_module` make them."""

from metaopt.shards.gathered import ModelReference, drop_gathered, no_model, reference_to
from metaopt.shards.layout import Layout, full, is_sharded, laid_as, local, settled
from metaopt.shards.sums import any_true, sum_of_shards

__all__ = [
    "Layout",
    "ModelReference",
    "any_true",
    "drop_gathered",
    "full",
    "is_sharded",
    "laid_as",
    "local",
    "no_model",
    "reference_to",
    "settled",
    "sum_of_shards",
]
