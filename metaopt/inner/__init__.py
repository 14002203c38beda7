"""The engine that trains models: populations by vmap, a plain loop for the rest, and differentiable unrolls."""

from metaopt.inner.member import Member
from metaopt.inner.population import Trained, train
from metaopt.inner.unroll import Unrolled, unroll
from metaopt.inner.vmappable import loop_reason

__all__ = ["Member", "Trained", "Unrolled", "loop_reason", "train", "unroll"]
