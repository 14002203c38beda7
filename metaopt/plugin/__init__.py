"""How plugins are declared, found and checked."""

from metaopt.plugin.hookspecs import hookimpl
from metaopt.plugin.kinds import KINDS, ControllerSpec, CorpusSpec, Native, OptimizerSpec, StopperSpec, WrapperSpec
from metaopt.plugin.registry import Registry, Source, current_registry, register
from metaopt.plugin.spec import PluginSpec

__all__ = [
    "KINDS",
    "ControllerSpec",
    "CorpusSpec",
    "Native",
    "OptimizerSpec",
    "PluginSpec",
    "Registry",
    "Source",
    "StopperSpec",
    "WrapperSpec",
    "current_registry",
    "hookimpl",
    "register",
]
