"""The one pluggy hook, by which a plugin offers its specs."""

from collections.abc import Sequence

import pluggy

from metaopt.plugin.plugin_spec import PluginSpec

PROJECT = "metaopt"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Decorator that marks a plugin's `metaopt_plugins()`, a function that returns a list of its specs."""


@hookspec
def metaopt_plugins() -> Sequence[PluginSpec]:  # type: ignore[empty-body]
    """Return the specs that this module offers, of any kinds."""
