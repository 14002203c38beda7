"""Layers that vmap and second derivatives can pass, and heads made of prototypes."""

from metaopt.pure_layers.batch_norm import FirstRows, needs_support, with_policy
from metaopt.pure_layers.norms import batched, twice_differentiable
from metaopt.pure_layers.output_layer import first_argument, output_layer, prototype_head

__all__ = [
    "FirstRows",
    "batched",
    "first_argument",
    "needs_support",
    "output_layer",
    "prototype_head",
    "twice_differentiable",
    "with_policy",
]
