"""Operations written down once, and run again as straight-line code or compiled."""

from metaopt.tracing.compiled_rules import (
    MIN_NUMEL,
    CompiledUpdate,
    can_compile,
    compiled_update,
    is_hashable,
    own_code,
)
from metaopt.tracing.graph_cache import GraphCache
from metaopt.tracing.graphs import Graph, GraphMode, replayed
from metaopt.tracing.recording import NotRecordableError, Recorder
from metaopt.tracing.straight_line import merged, needed, straight_line
from metaopt.tracing.trees import layout_of, structure_of, tensors_of

__all__ = [
    "MIN_NUMEL",
    "CompiledUpdate",
    "Graph",
    "GraphCache",
    "GraphMode",
    "NotRecordableError",
    "Recorder",
    "can_compile",
    "compiled_update",
    "is_hashable",
    "layout_of",
    "merged",
    "needed",
    "own_code",
    "replayed",
    "straight_line",
    "structure_of",
    "tensors_of",
]
