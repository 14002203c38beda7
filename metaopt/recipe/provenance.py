"""What a recipe stands on: versions and distributions of its plugins, and the libraries."""

import datetime
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from metaopt.plugin import PluginSpec, Registry

_LIBRARIES = ("metaopt-torch", "torch", "optuna", "schedulefree")


def provenance_of(specs: Sequence[PluginSpec], registry: Registry) -> dict[str, Any]:
    """The provenance of a recipe that is made now: `created`, `libraries`, `distributions` of its plugins."""
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"created": created, "libraries": _libraries(), "distributions": distributions(specs, registry)}


def recorded(provenance: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """A part of a recipe's provenance; empty where it is missing or no object, since users may write anything there."""
    entries = provenance.get(part)
    return entries if isinstance(entries, Mapping) else {}


def versions(specs: Sequence[PluginSpec]) -> dict[str, str]:
    """The version of each plugin's spec, by `"<kind> <name>"`."""
    return {f"{spec.kind} {spec.name}": spec.version for spec in specs}


def distributions(specs: Sequence[PluginSpec], registry: Registry) -> dict[str, str]:
    """Where each plugin came from, such as `"metaopt-torch 0.1.0"`, without the paths of this machine."""
    sources = {f"{spec.kind} {spec.name}": registry.source(spec) for spec in specs}
    return {key: f"{source.distribution} {source.version}".strip() for key, source in sources.items()}


def _libraries() -> dict[str, str]:
    versions_of = {"python": platform.python_version()}
    for distribution in _LIBRARIES:
        try:
            versions_of[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return versions_of
