"""The engine that trains models: populations by vmap, a plain loop for the rest, and differentiable unrolls."""

from metaopt.inner.member import Member
from metaopt.inner.population import RECORDABLE, Trained, train
from metaopt.inner.unroll import Unrolled, unroll
from metaopt.inner.vmappable import loop_reason
from metaopt.inner.workload import Compile, Workload, filling

__all__ = [
    "RECORDABLE",
    "Compile",
    "Member",
    "Trained",
    "Unrolled",
    "Workload",
    "filling",
    "loop_reason",
    "train",
    "unroll",
]
