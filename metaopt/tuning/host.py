"""Studies for a framework that owns the training loop: what it cannot supply is not proposed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from metaopt.errors import PluginError
from metaopt.plugin import ControllerSpec, OptimizerSpec, PluginSpec, Registry, WrapperSpec
from metaopt.recipe import host_named, required_by
from metaopt.tuning.arguments import StudyArguments
from metaopt.tuning.proposed import proposed_specs
from metaopt.tuning.stopping.stopping import replayable


def for_host(
    arguments: StudyArguments, registry: Registry, announce: Callable[[str], None] = lambda line: None
) -> StudyArguments:
    """The same with the names of those plugins alone whose signals the study's host supplies.

    Args:
        arguments: of the study.
        registry: where plugins are.
        announce: told once which plugins are left out, and why.

    Raises:
        PluginError: a plugin that the caller names needs what the host does not supply.
    """
    if arguments.host is None:
        return arguments
    host, left_out, names = host_named(arguments.host), [], {}
    for kind, specs, named in _candidates(arguments, registry):
        lacking = {spec.name: host.lacks(required_by(spec)) for spec in specs}
        wrong = next((spec for spec in specs if lacking[spec.name]), None)
        if wrong is None:
            continue
        if named:
            signals, who = " and ".join(lacking[wrong.name]), f"{wrong.kind} {wrong.name!r}"
            raise PluginError(
                f"{host.title} does not supply {signals}, which the {who} requires; leave it out, or "
                "tune for another host."
            )
        left_out += [f"{spec.name} ({', '.join(lacking[spec.name])})" for spec in specs if lacking[spec.name]]
        names[kind] = tuple(spec.name for spec in specs if not lacking[spec.name])
    if left_out:
        announce(f"{host.title} does not supply what these require, so they are left out: {', '.join(left_out)}.")
    return replace(arguments, **names)  # type: ignore[arg-type]


def _candidates(arguments: StudyArguments, registry: Registry) -> list[tuple[str, Sequence[PluginSpec], bool]]:
    """By argument, what may be chosen, and whether the caller named it."""
    types: dict[str, Any] = {"optimizers": OptimizerSpec, "controllers": ControllerSpec, "wrappers": WrapperSpec}
    every = [
        (kind, proposed_specs(registry, spec_type, names := getattr(arguments, kind)), names is not None)
        for kind, spec_type in types.items()
    ]
    stoppers = replayable(registry, arguments.stoppers)
    named = arguments.stoppers is not None
    return [*every, ("stoppers", [spec for spec in stoppers if spec.proposed or named], named)]
