"""How plugins are declared, found and checked."""

from metaopt.plugin.balancing import SurgerySpec, WeightingSpec, level_of
from metaopt.plugin.class_spec import optimizer_spec
from metaopt.plugin.deferred import DeferredOptimizer
from metaopt.plugin.hookspecs import hookimpl
from metaopt.plugin.kinds import KINDS, ControllerSpec, CorpusSpec, StopperSpec, WrapperSpec
from metaopt.plugin.learner import LearnerSpec
from metaopt.plugin.native import Native
from metaopt.plugin.optimizer import OptimizerSpec, Takes
from metaopt.plugin.plugin_spec import PluginSpec
from metaopt.plugin.registry import GROUP, Entry, Registry, current_registry, register
from metaopt.plugin.source import PluginSource

__all__ = [
    "GROUP",
    "KINDS",
    "ControllerSpec",
    "CorpusSpec",
    "DeferredOptimizer",
    "Entry",
    "LearnerSpec",
    "Native",
    "OptimizerSpec",
    "PluginSource",
    "PluginSpec",
    "Registry",
    "StopperSpec",
    "SurgerySpec",
    "Takes",
    "WeightingSpec",
    "WrapperSpec",
    "current_registry",
    "hookimpl",
    "level_of",
    "optimizer_spec",
    "register",
]
