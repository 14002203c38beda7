"""Plugins without the reference runs that corpora ship, for measuring or making what they spare."""

import dataclasses

from metaopt.plugin.kinds import CorpusSpec
from metaopt.plugin.registry import Registry, current_registry


def registry_without_shipped_runs() -> Registry:
    """Everything installed, with corpora that ship nothing: all references are trained."""
    registry = Registry()
    for entry in current_registry():
        spec = entry.spec
        registry.register(dataclasses.replace(spec, reference_runs=None) if isinstance(spec, CorpusSpec) else spec)
    return registry
