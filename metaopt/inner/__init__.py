"""The engine that trains models: populations by vmap, a plain loop for the rest, and differentiable unrolls."""

from metaopt.inner.gradients.batches import augmented, batch_indices
from metaopt.inner.graphs import Graphs, failure, loop_reason
from metaopt.inner.member import Member
from metaopt.inner.population import LOOP_CHUNK, RECORDABLE, Trained, train
from metaopt.inner.unroll import Unrolled, unroll
from metaopt.inner.workload import Compile, Workload, apart, filling
from metaopt.tracing import GraphCache, GraphMode

__all__ = [
    "LOOP_CHUNK",
    "RECORDABLE",
    "Compile",
    "GraphCache",
    "GraphMode",
    "Graphs",
    "Member",
    "Trained",
    "Unrolled",
    "Workload",
    "apart",
    "augmented",
    "batch_indices",
    "failure",
    "filling",
    "loop_reason",
    "train",
    "unroll",
]
