"""Tensors of which each rank holds a part: torch's DTensors, as `fully_shard` and `parallelize_module` make them."""

from metaopt.shards.gathered import drop_gathered
from metaopt.shards.layout import Layout, full, is_sharded, laid_as, local, settled
from metaopt.shards.sums import any_true, sum_of_shards

__all__ = [
    "Layout",
    "any_true",
    "drop_gathered",
    "full",
    "is_sharded",
    "laid_as",
    "local",
    "settled",
    "sum_of_shards",
]
