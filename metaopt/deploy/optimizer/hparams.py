"""From the keywords that users write to the assembly of an optimizer plugin; `parameters` has those of param groups."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from metaopt.configuration import Assembly, Configuration, NoDecay, assemble
from metaopt.deploy.optimizer.parameters import check_length, check_stated_once, plain_value
from metaopt.plugin import OptimizerSpec, current_registry
from metaopt.space import Value


def assemble_named(
    name: str,
    hparams: Mapping[str, Any],
    *,
    wrappers: Sequence[str] = (),
    no_decay: NoDecay = "none",
    roles: Mapping[str, Any] | None = None,
    depth_decay: float = 1.0,
) -> Assembly:
    """The plugin `name` of the process's registry with `hparams`, in its own names or packed as torch does.

    Args:
        name: an optimizer plugin.
        hparams: by name (`beta1`), packed (`betas`), or under the name of a wrapper or of a role's optimizer
            (`"averaged.decay"`, `"adamw.betas"`); 0-d tensors are read.
        wrappers: wrapper plugins, innermost first.
        no_decay: see `Configuration`.
        roles: see `Configuration`.
        depth_decay: see `Configuration`.
    """
    known = current_registry()
    # A configuration makes the tuple of wrappers itself, for it refuses a string first.
    wrapped: Any = wrappers
    configuration = Configuration(name, wrappers=wrapped, no_decay=no_decay, roles=roles or {}, depth_decay=depth_decay)
    optimizers = {name, *(role.optimizer for role in configuration.roles.values() if role.optimizer is not None)}
    specs = {own: known.get(OptimizerSpec, own) for own in optimizers}
    stated: dict[str, dict[str, Any]] = {}
    for key, value in hparams.items():
        owner, dot, rest = key.partition(".")
        stated.setdefault(owner if dot else name, {})[rest if dot else key] = value
    full: dict[str, Value] = {}
    for owner, values in stated.items():
        for key in values:
            full.update({f"{owner}.{own}": part for own, part in _unpacked(specs.get(owner), key, values).items()})
    return assemble(replace(configuration, hparams=full), known)


def _unpacked(spec: OptimizerSpec | None, key: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The entry `key` of what is stated for an optimizer, by the rule's names; None is for a wrapper."""
    value = stated[key]
    if spec is None or key not in spec.packs:
        return {key: plain_value(value)}
    check_stated_once(spec, key, stated)
    check_length(spec, key, spec.packs[key], value)
    return {name: plain_value(part) for name, part in spec.unpack({key: value}).items()}
