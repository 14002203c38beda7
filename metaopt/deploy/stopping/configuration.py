"""Stoppers by name, and their description as plain JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from metaopt.contracts import Mode, Stopper, ThresholdStopper
from metaopt.errors import InputError, bracketed, known_keywords, one_line, quoted, refuse_mistyped
from metaopt.plugin import Registry, StopperSpec, current_registry
from metaopt.space import Value, plain, resolve


@known_keywords()
@dataclass(frozen=True, repr=False)
class StopperConfiguration:
    """A stopper plugin with its hyperparameters; what a recipe stores.

    Attributes:
        name: of a stopper plugin.
        hparams: values by hyperparameter; what is absent has its default.
        stoppers: what a combining stopper (`any`, `all`) is made of.
        theta: what a fitted stopper learned from recorded curves, arrays by name (kept as nested tuples); empty for
            what ships with the plugin, and for stoppers that learn nothing.
    """

    name: str
    hparams: Mapping[str, Value] = field(default_factory=dict)
    stoppers: tuple["StopperConfiguration", ...] = ()
    theta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.hparams, Mapping):
            raise InputError(f"hparams must map hyperparameters to values, got {quoted(self.hparams)}.")
        object.__setattr__(self, "hparams", {name: plain(self.hparams[name]) for name in sorted(self.hparams)})
        object.__setattr__(self, "stoppers", tuple(self.stoppers))
        if not isinstance(self.theta, Mapping):
            raise InputError(f"theta must map names to arrays, got {quoted(self.theta)}.")
        object.__setattr__(self, "theta", {str(name): _nested(self.theta[name]) for name in sorted(self.theta)})

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.hparams.items()), self.stoppers, tuple(self.theta.items())))

    def __repr__(self) -> str:
        """Without what is empty; of many hyperparameters the first ones, of stoppers and learned arrays their names."""
        names = [stopper.name for stopper in self.stoppers]
        parts = {"hparams": self.hparams, "stoppers": names, "theta": list(self.theta)}
        return one_line(self, name=self.name, **{name: value for name, value in parts.items() if value})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "name": self.name,
            "hparams": dict(self.hparams),
            "stoppers": [stopper.to_json() for stopper in self.stoppers],
            **({"theta": {name: _lists(array) for name, array in self.theta.items()}} if self.theta else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "StopperConfiguration":
        """Inverse of `to_json`."""
        if not isinstance(document, Mapping):
            raise InputError(f"A stopper is described by an object with its name, got {quoted(document)}.")
        unknown = sorted(set(document) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"A stopper consists of name, hparams, stoppers and theta, got also {bracketed(unknown)}.")
        return cls(
            name=document["name"],
            hparams=document.get("hparams", {}),
            stoppers=tuple(cls.from_json(child) for child in document.get("stoppers", ())),
            theta=document.get("theta", {}),
        )


def create_stopper(
    name: str,
    *,
    mode: Mode = "min",
    stoppers: Sequence[Stopper | StopperConfiguration | str] = (),
    theta: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
    **hparams: Any,
) -> Stopper:
    """A stopper by name.

    Args:
        name: a stopper plugin, such as `"patience"`.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        stoppers: for combining ones (`any`, `all`): what they combine; stoppers, configurations or names.
        theta: for those fitted to recorded curves: what they learned, arrays or lists by name; what ships with the
            plugin if left out.
        registry: where to look the name up; everything installed by default.
        **hparams: its hyperparameters; those left out have their defaults.

    Raises:
        PluginError: the stopper is unknown.
        InputError: a hyperparameter is not valid (the message lists the valid ones), `stoppers` is missing, or theta
            does not fit, or is missing where none ships.

    Example:
        >>> import metaopt
        >>> stopper = metaopt.create_stopper("patience", patience=10, mode="min")
        >>> stopper.observe(metaopt.Observation(step=1, value=0.5, horizon=100)).stop
        False
    """
    registry = current_registry(registry)
    children = [_child(stopper, mode, registry) for stopper in stoppers]
    spec = registry.get(StopperSpec, name)
    refuse_mistyped(create_stopper, hparams, spec.space)
    return _build(spec, hparams, children, mode, theta)


def build_stopper(configuration: StopperConfiguration, *, mode: Mode, registry: Registry | None = None) -> Stopper:
    """The stopper that a configuration describes; errors as in `create_stopper`."""
    if not isinstance(configuration, StopperConfiguration):
        raise InputError(f"A stopper is described by a metaopt.StopperConfiguration, got {quoted(configuration)}.")
    registry = current_registry(registry)
    children = [build_stopper(child, mode=mode, registry=registry) for child in configuration.stoppers]
    spec = registry.get(StopperSpec, configuration.name)
    return _build(spec, configuration.hparams, children, mode, configuration.theta)


def stopper_requires(configuration: StopperConfiguration, registry: Registry) -> frozenset[str]:
    """Signals that the stopper or any of its children needs with each observation."""
    spec = registry.get(StopperSpec, configuration.name)
    own = spec.required(resolve(spec.space, configuration.hparams, spec.name))
    return own.union(*(stopper_requires(child, registry) for child in configuration.stoppers))


def stopper_uses(configuration: StopperConfiguration, registry: Registry) -> frozenset[str]:
    """Further signals that the stopper or any of its children reads where an observation carries them."""
    return frozenset[str]().union(*(spec.uses for spec in stopper_specs(configuration, registry)))


def stopper_specs(configuration: StopperConfiguration, registry: Registry) -> tuple[StopperSpec, ...]:
    """The specs of the stopper and all of its children."""
    children = [spec for child in configuration.stoppers for spec in stopper_specs(child, registry)]
    return (registry.get(StopperSpec, configuration.name), *children)


def _child(stopper: Stopper | StopperConfiguration | str, mode: Mode, registry: Registry) -> Stopper:
    if isinstance(stopper, str):
        return create_stopper(stopper, mode=mode, registry=registry)
    if isinstance(stopper, StopperConfiguration):
        return build_stopper(stopper, mode=mode, registry=registry)
    if isinstance(stopper, Stopper):
        return stopper
    raise InputError(f"stoppers must hold stoppers or their names, got {quoted(stopper)}.")


def _build(
    spec: StopperSpec,
    hparams: Mapping[str, Any],
    children: Sequence[Stopper],
    mode: Mode,
    theta: Mapping[str, Any] | None,
) -> Stopper:
    if mode not in ("min", "max"):
        raise InputError(f"mode must be 'min' or 'max', got {quoted(mode)}.")
    if bool(children) != spec.combines:
        problem = "needs stoppers=[...]" if spec.combines else "combines no others; leave out stoppers="
        raise InputError(f"The stopper {spec.name!r} {problem}.")
    values = resolve(spec.space, hparams, spec.name)
    learned = spec.learned(theta) if theta or spec.theta_shapes else {}
    if spec.fires is not None:
        fires, required = spec.pure(learned) if learned else spec.fires, spec.required(values)
        return ThresholdStopper(spec.name, fires, values, mode, required, spec.space, learned, spec.uses)
    assert spec.factory is not None
    return spec.factory(mode=mode, **values, **({"stoppers": list(children)} if spec.combines else {}))


def _nested(array: Any) -> Any:
    """An array, or nested sequences, as nested tuples of floats, which can be hashed."""
    try:
        return _tuples(np.asarray(array, dtype=np.float64).tolist())
    except (TypeError, ValueError) as error:
        raise InputError(f"A stopper's theta must consist of arrays of numbers, got {quoted(array)}.") from error


def _tuples(nested: Any) -> Any:
    return tuple(map(_tuples, nested)) if isinstance(nested, list) else nested


def _lists(nested: Any) -> Any:
    return list(map(_lists, nested)) if isinstance(nested, tuple) else nested
