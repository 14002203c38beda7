"""Calls the hook of a single plugin, apart from those of others, and checks what it returns."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pluggy

from metaopt.errors import PluginError, quoted
from metaopt.plugin import hookspecs
from metaopt.plugin.plugin_spec import PluginSpec


def offered(plugin: ModuleType | object, name: str) -> list[PluginSpec]:
    """The specs that a module or object offers through its `metaopt_plugins` hook.

    Args:
        plugin: what has the hook.
        name: of the plugin, for pluggy's messages.

    Raises:
        PluginError: it has no such hook, one that does not fit, or one that returns something else than specs.
    """
    # A manager for each: what pluggy refuses in one plugin must not stay behind for the next.
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"it does not fit the hooks of metaopt: {_in_named_line(error)}.") from error
    implementations = manager.hook.metaopt_plugins.get_hookimpls()
    if not implementations:
        raise PluginError(
            "it has no metaopt_plugins function marked with @metaopt.hookimpl; add one that returns a list of specs."
        )
    specs = implementations[0].function()
    if not isinstance(specs, Sequence) or isinstance(specs, str):
        raise PluginError(f"metaopt_plugins must return a list of specs, got {quoted(specs)}.")
    return [check_spec(spec) for spec in specs]


def check_spec(spec: Any) -> PluginSpec:
    """Return `spec` if it is a spec of some kind of plugin; PluginError otherwise."""
    if not isinstance(spec, PluginSpec) or not spec.kind:
        raise PluginError(f"metaopt_plugins must return specs such as metaopt.OptimizerSpec(...), got {quoted(spec)}.")
    return spec


def _in_named_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()).rstrip(".")
