"""One conditional Optuna space over optimizer, wrapper, controller and their hyperparameters."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from metaopt.configuration import Configuration, misfit
from metaopt.errors import InputError, PluginError, bracketed, quoted
from metaopt.plugin import ControllerSpec, OptimizerSpec, PluginSpec, Registry, WrapperSpec
from metaopt.space import Categorical, Distribution, Float, Int, Space, Value, defaults, is_active, ordered

#: Signals that an ordinary loop supplies without being asked.
ORDINARY_SIGNALS = frozenset({"horizon", "metric", "loss"})
NO_WRAPPER = "none"


class Chooser(Protocol):
    """What proposes values: an Optuna trial, or random numbers."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A real number in [low, high]."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number in [low, high]."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        ...


@dataclass(frozen=True)
class JointSpace:
    """What a study may propose.

    Attributes:
        optimizers: specs to choose from.
        wrappers: wrapper specs to choose from; none is always possible.
        controllers: specs to choose from.
        overrides: `"plugin.hyperparameter"` → the distribution that replaces the declared one, or a fixed value.
    """

    optimizers: tuple[OptimizerSpec, ...]
    controllers: tuple[ControllerSpec, ...]
    wrappers: tuple[WrapperSpec, ...] = ()
    overrides: Mapping[str, Distribution | Value] = dataclasses.field(default_factory=dict)

    def suggest(self, chooser: Chooser) -> Configuration:
        """Ask for one configuration, hyperparameters of inactive plugins and conditions left out."""
        optimizer = _pick(chooser, "optimizer", self.optimizers)
        wrapper = self._suggest_wrapper(chooser, optimizer)
        hparams = self._suggest_hparams(chooser, optimizer, sets_rate=wrapper is not None and wrapper.sets_rate)
        if wrapper is not None:
            hparams.update(self._suggest_hparams(chooser, wrapper))
        controller = "constant"
        if optimizer.has_lr:
            spec = _pick(chooser, "controller", self.controllers)
            controller = spec.name
            hparams.update(self._suggest_hparams(chooser, spec))
        wrappers = () if wrapper is None else (wrapper.name,)
        return Configuration(optimizer.name, controller, wrappers, hparams)

    def defaults(self) -> dict[str, Value]:
        """Every hyperparameter's default by its prefixed name."""
        specs: tuple[PluginSpec, ...] = (*self.optimizers, *self.wrappers, *self.controllers)
        return {f"{spec.name}.{name}": value for spec in specs for name, value in defaults(spec.tuned_space).items()}

    def to_json(self) -> dict[str, Any]:
        """Everything that decides what is proposed, in plain JSON."""
        specs: tuple[PluginSpec, ...] = (*self.optimizers, *self.wrappers, *self.controllers)
        return {
            "plugins": {
                f"{spec.kind}:{spec.name}": {"version": spec.version, "space": _plain_space(self._space(spec))}
                for spec in specs
            },
            "fixed": {key: value for key, value in sorted(self.overrides.items()) if not _is_distribution(value)},
        }

    @property
    def fingerprint(self) -> str:
        """16 hex digits of `to_json`."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def _suggest_wrapper(self, chooser: Chooser, optimizer: OptimizerSpec) -> WrapperSpec | None:
        """One that fits; none where the choice falls on another, for choices are the same for all optimizers."""
        if not self.wrappers:
            return None
        names = [NO_WRAPPER, *(spec.name for spec in self.wrappers)]
        chosen = chooser.suggest_categorical("wrapper", names)
        fitting = (spec for spec in self.wrappers if spec.name == chosen and misfit(optimizer, [spec]) is None)
        return next(fitting, None)

    def _suggest_hparams(self, chooser: Chooser, spec: PluginSpec, *, sets_rate: bool = False) -> dict[str, Value]:
        """Values by prefixed name; no `lr` where a wrapper sets the rate, unless the user asked for one."""
        space, fixed = self._space(spec), self._fixed(spec)
        left_out = {"lr"} if sets_rate and f"{spec.name}.lr" not in self.overrides else set()
        values: dict[str, Value] = {}
        for name in ordered(space):
            if name not in left_out and is_active(space, name, values):
                values[name] = fixed[name] if name in fixed else ask(chooser, f"{spec.name}.{name}", space[name])
        return {f"{spec.name}.{name}": value for name, value in values.items()}

    def _space(self, spec: PluginSpec) -> dict[str, Distribution]:
        space = dict(spec.tuned_space)
        for name in space:
            override = self.overrides.get(f"{spec.name}.{name}")
            if isinstance(override, Float | Int | Categorical):
                space[name] = override
        return space

    def _fixed(self, spec: PluginSpec) -> dict[str, Value]:
        fixed: dict[str, Value] = {}
        for name in spec.tuned_space:
            override = self.overrides.get(f"{spec.name}.{name}")
            if override is not None and not isinstance(override, Float | Int | Categorical):
                fixed[name] = override
        return fixed


def joint_space(
    registry: Registry,
    *,
    optimizers: Sequence[str] | None = None,
    controllers: Sequence[str] | None = None,
    wrappers: Sequence[str] | None = None,
    settings: Sequence[str] = (),
) -> JointSpace:
    """The space over the named plugins, or over all whose signals an ordinary loop supplies.

    Args:
        registry: where plugins are.
        optimizers: names, or None for all.
        controllers: names, or None for all.
        wrappers: names, or None for all; an empty sequence for none.
        settings: `"plugin.hyperparameter=low..high"` or `"…=value"`, as given to `--set`.

    Raises:
        PluginError: a name is unknown or nothing is left to choose from.
        InputError: a setting is malformed, out of range, or names an unknown hyperparameter.
    """
    chosen = JointSpace(
        optimizers=_specs(registry, OptimizerSpec, optimizers),
        controllers=_specs(registry, ControllerSpec, controllers),
        wrappers=_specs(registry, WrapperSpec, wrappers),
    )
    if not chosen.optimizers or not chosen.controllers:
        raise PluginError("Tuning needs at least one optimizer and one controller; see `metaopt plugins`.")
    specs: tuple[PluginSpec, ...] = (*chosen.optimizers, *chosen.wrappers, *chosen.controllers)
    overrides = dict(_parse_setting(setting, {spec.name: spec for spec in specs}) for setting in settings)
    return dataclasses.replace(chosen, overrides=overrides)


def _specs(registry: Registry, spec_type: Any, names: Sequence[str] | None) -> tuple[Any, ...]:
    if names is not None:
        return tuple(registry.get(spec_type, name) for name in dict.fromkeys(names))
    specs = registry.specs(spec_type)
    return tuple(spec for spec in specs if spec.proposed and _can_be_proposed(spec) and not _is_for_a_part(spec))


def _can_be_proposed(spec: PluginSpec) -> bool:
    """Learned plugins without weights of their own cannot; nor those that want signals that no ordinary loop has."""
    return spec.requires | set(spec.requires_when) <= ORDINARY_SIGNALS and not _needs_theta(spec)


def _is_for_a_part(spec: PluginSpec) -> bool:
    """Whether an optimizer cannot train a whole model."""
    return isinstance(spec, OptimizerSpec) and spec.takes != "all"


def _needs_theta(spec: PluginSpec) -> bool:
    return isinstance(spec, OptimizerSpec | WrapperSpec) and spec.meta is not None and spec.meta.shipped is None


def _pick(chooser: Chooser, name: str, specs: Sequence[Any]) -> Any:
    chosen = chooser.suggest_categorical(name, [spec.name for spec in specs])
    return next(spec for spec in specs if spec.name == chosen)


def ask(chooser: Chooser, name: str, distribution: Distribution) -> Value:
    """One value of a distribution."""
    if isinstance(distribution, Float):
        return float(chooser.suggest_float(name, distribution.low, distribution.high, log=distribution.log))
    if isinstance(distribution, Int):
        return int(chooser.suggest_int(name, distribution.low, distribution.high, log=distribution.log))
    chosen: Value = chooser.suggest_categorical(name, list(distribution.tuned))
    return chosen


def _parse_setting(setting: str, specs: Mapping[str, PluginSpec]) -> tuple[str, Distribution | Value]:
    full, equals, text = setting.partition("=")
    owner, dot, name = full.strip().partition(".")
    if not (equals and dot and text.strip()):
        raise InputError(f"--set takes plugin.hyperparameter=low..high or =value, got {quoted(setting)}.")
    if owner not in specs:
        raise InputError(
            f"--set {quoted(setting)}: {quoted(owner)} is not among the tuned plugins {bracketed(sorted(specs), 12)}."
        )
    space: Space = specs[owner].tuned_space
    if name not in space:
        raise InputError(
            f"--set {quoted(setting)}: {owner} has no hyperparameter {quoted(name)}; it has {sorted(space)}."
        )
    return full.strip(), _narrowed(space[name], f"{owner}.{name}", text.strip())


def _narrowed(distribution: Distribution, label: str, text: str) -> Distribution | Value:
    low, dots, high = text.partition("..")
    if not dots:
        return distribution.check(label, _literal(text))
    if isinstance(distribution, Categorical):
        raise InputError(f"--set {label}: choose one of {list(distribution.choices)}, got the range {quoted(text)}.")
    begin, end = (distribution.check(label, _literal(bound)) for bound in (low, high))
    try:
        if isinstance(distribution, Int):
            return Int(int(begin), int(end), distribution.log, when=distribution.when)
        return Float(begin, end, distribution.log, when=distribution.when)
    except InputError as error:
        raise InputError(f"--set {label}={quoted(text)[1:-1]}: {error}") from None


def _literal(text: str) -> Value:
    try:
        parsed = json.loads(text.lower() if text in ("True", "False") else text)
    except (ValueError, RecursionError):  # no JSON; numbers of thousands of digits; deep nesting
        return text
    return parsed if isinstance(parsed, int | float | bool) else text


def _is_distribution(value: Any) -> bool:
    return isinstance(value, Float | Int | Categorical)


def _plain_space(space: Space) -> dict[str, Any]:
    """What decides the proposals: everything but `valid`, which bounds what people type."""
    return {
        name: repr(
            distribution
            if isinstance(distribution, Categorical)
            else dataclasses.replace(distribution, valid="(-inf, inf)")
        )
        for name, distribution in sorted(space.items())
    }
