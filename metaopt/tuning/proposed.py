"""Which plugins a study chooses from where nobody names them."""

from collections.abc import Sequence
from typing import Any

from metaopt.plugin import OptimizerSpec, PluginSpec, Registry, WrapperSpec

#: Signals that an ordinary loop supplies without being asked.
ORDINARY_SIGNALS = frozenset({"horizon", "metric", "loss"})


def proposed_specs(registry: Registry, spec_type: Any, names: Sequence[str] | None) -> tuple[Any, ...]:
    """The plugins of these names; or, for None, all whose signals an ordinary loop supplies."""
    if names is not None:
        return tuple(registry.get(spec_type, name) for name in dict.fromkeys(names))
    specs = registry.specs(spec_type)
    return tuple(spec for spec in specs if spec.proposed and _can_be_proposed(spec))


def _can_be_proposed(spec: PluginSpec) -> bool:
    """Learned plugins without weights of their own cannot; nor those that want signals that no ordinary loop has."""
    return spec.requires | set(spec.requires_when) <= ORDINARY_SIGNALS and not _needs_theta(spec)


def _needs_theta(spec: PluginSpec) -> bool:
    return isinstance(spec, OptimizerSpec | WrapperSpec) and spec.meta is not None and spec.meta.shipped is None
