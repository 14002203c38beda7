"""Operations written down once, and run again as straight-line code or compiled; derivatives, plain ones too."""

from metaopt.tracing.compiled_rules import (
    MIN_NUMEL,
    CompiledUpdate,
    can_compile,
    compiled_update,
    own_code,
)
from metaopt.tracing.graph_cache import GraphCache, GraphMode, is_hashable, layout_of, structure_of, tensors_of
from metaopt.tracing.lazy_where import lazy_where
from metaopt.tracing.recording import Graph, NotRecordableError, Recorder
from metaopt.tracing.straight_line import merged, needed, replayed, straight_line
from metaopt.tracing.transforms import FUNCTIONAL, PLAIN, Transforms, vmap_obstacle

__all__ = [
    "FUNCTIONAL",
    "MIN_NUMEL",
    "PLAIN",
    "CompiledUpdate",
    "Graph",
    "GraphCache",
    "GraphMode",
    "NotRecordableError",
    "Recorder",
    "Transforms",
    "can_compile",
    "compiled_update",
    "is_hashable",
    "layout_of",
    "lazy_where",
    "merged",
    "needed",
    "own_code",
    "replayed",
    "straight_line",
    "structure_of",
    "tensors_of",
    "vmap_obstacle",
]
