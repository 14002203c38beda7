"""Where a recipe comes from: its plugins and libraries, and the range of models and budgets that it was made on."""

import datetime
import math
import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

from metaopt.configuration import Configuration
from metaopt.contracts import Scale
from metaopt.deploy import StopperConfiguration, stopper_specs
from metaopt.errors import InputError, listed, quoted
from metaopt.plugin import OptimizerSpec, PluginSpec, Registry
from metaopt.space import Categorical, Distribution, Float, Int, Space, Value, as_float

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe

Range: TypeAlias = tuple[int, int]

#: How many times outside its range a recipe may be used without a word.
TOLERANCE = 10.0

#: No model, batch or training is as large as this.
MOST = 2**63

_RANGES = {"parameters": "parameters", "batch_size": "examples a batch", "horizon": "training steps"}
_LIBRARIES = ("metaopt-torch", "torch", "optuna", "schedulefree")


@dataclass(frozen=True)
class MadeOn:
    """Smallest and largest task that a recipe was made on; None where unknown.

    Attributes:
        parameters: numbers in a model.
        batch_size: examples a training step.
        horizon: training steps of a run.
        dtypes: of the parameters, such as `"float32"`.
        loss: training loss before the first step.
        pretrained: whether the tasks begin with weights from a training before.
    """

    parameters: Range | None = None
    batch_size: Range | None = None
    horizon: Range | None = None
    dtypes: tuple[str, ...] = ()
    loss: tuple[float, float] | None = None
    pretrained: bool = False

    def __post_init__(self) -> None:
        for name in _RANGES:
            ends = getattr(self, name)
            if ends is not None:
                object.__setattr__(self, name, _checked(name, ends))
        object.__setattr__(self, "dtypes", tuple(self.dtypes))
        if self.loss is not None:
            object.__setattr__(self, "loss", _checked_losses(self.loss))
        if not isinstance(self.pretrained, bool):
            raise InputError(f"made_on.pretrained must be true or false, got {quoted(self.pretrained)}.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        ranges = {name: getattr(self, name) for name in _RANGES}
        document: dict[str, Any] = {name: None if ends is None else list(ends) for name, ends in ranges.items()}
        losses = {} if self.loss is None else {"loss": list(self.loss)}
        weights = {"pretrained": True} if self.pretrained else {}
        return {**document, "dtypes": list(self.dtypes), **losses, **weights}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "MadeOn":
        """Inverse of `to_json`."""
        ranges = {name: document.get(name) for name in _RANGES}
        dtypes, pretrained = tuple(document.get("dtypes", ())), document.get("pretrained", False)
        return cls(**ranges, dtypes=dtypes, loss=document.get("loss"), pretrained=pretrained)

    def warn_if_far(self, scale: Scale, rate: str, stacklevel: int) -> bool:
        """Warn once, with all that lies more than ten times outside the range; whether it did.

        Args:
            scale: of a training.
            rate: what the recipe's law makes of its rate there; empty where it has none.
            stacklevel: of the caller.
        """
        task = {"parameters": scale.parameters, "batch_size": scale.batch_size, "horizon": scale.total_steps}
        remarks = [_remark(name, value, getattr(self, name)) for name, value in task.items() if value is not None]
        excesses = "; ".join(remark for remark in remarks if remark)
        if excesses:
            told = f"Its law gives {rate}" if rate else "Its settings are used as they are"
            warnings.warn(
                f"This recipe is used far outside the range that it was made on: {excesses}. {told}, but nothing was "
                "measured out here: compare it with a baseline before you trust it.",
                UserWarning,
                stacklevel=stacklevel + 1,
            )
        return bool(excesses)

    def for_weights(self, configuration: Configuration, pretrained: bool | None, stacklevel: int) -> Configuration:
        """The configuration for weights that are pretrained or not, with a warning where the recipe's were not alike.

        The rate of a raw input's weights is slowed for fresh ones alone: pretrained ones have found their size.

        Raises:
            InputError: `pretrained` is neither None nor a bool.
        """
        if pretrained is not None and not isinstance(pretrained, bool):
            raise InputError(f"pretrained must be True, False or None, got {quoted(pretrained)}.")
        if pretrained is None or pretrained == self.pretrained:
            return configuration
        if not pretrained:
            warnings.warn(
                "This recipe was made on pretrained weights, and the model's are not: its rates are meant for "
                'fine-tuning. load_recipe("default") is made for training from scratch.',
                UserWarning,
                stacklevel=stacklevel + 1,
            )
            return configuration
        own = configuration.roles.get("input")
        law = "Its law of rates acts on what trains" if configuration.rate_law else "Its rates are used as they are"
        is_slowed = own is not None and (own.rate != 1.0 or own.fan_in is not None)
        slowed = ", and the input's rate is not slowed" if is_slowed else ""
        warnings.warn(
            f"This recipe was made on weights from scratch, and the model's are pretrained. {law}{slowed}; "
            'load_recipe("finetune") is made for fine-tuning.',
            UserWarning,
            stacklevel=stacklevel + 1,
        )
        return configuration.without_input_factor


def provenance_of(specs: Sequence[PluginSpec], registry: Registry) -> dict[str, Any]:
    """The provenance of a recipe that is made now: `created`, `libraries`, `distributions` of its plugins."""
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"created": created, "libraries": _libraries(), "distributions": distributions(specs, registry)}


def recorded(provenance: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """A part of a recipe's provenance; empty where it is missing or no object, since users may write anything there."""
    entries = provenance.get(part)
    return entries if isinstance(entries, Mapping) else {}


def values_of(configuration: Configuration, provenance: Mapping[str, Any]) -> dict[str, Value]:
    """Values of hyperparameters that tasks have of their own: those that are stated, else the defaults on record."""
    on_record = {name: entry for name, entry in recorded(provenance, "own_space").items() if isinstance(entry, Mapping)}
    defaults = {name: entry["default"] for name, entry in on_record.items() if "default" in entry}
    return {**defaults, **configuration.values}


def own_space_record(space: Space, searched: Mapping[str, Distribution | Value]) -> dict[str, dict[str, Any]]:
    """Hyperparameters that tasks have of their own, in plain JSON: the default of each, and what was searched.

    Args:
        space: as tasks declare them.
        searched: by name, the distribution that a study proposed from, or the value that it was fixed at.
    """
    return {
        name: {"default": distribution.default, "searched": _searched(searched[name])}
        for name, distribution in space.items()
    }


def _searched(distribution: Distribution | Value) -> str:
    if not isinstance(distribution, Float | Int | Categorical):
        return f"{distribution} alone"
    if isinstance(distribution, Categorical):
        return f"one of {listed(distribution.tuned)}"
    return f"{distribution.low:g} to {distribution.high:g}"


def versions(specs: Sequence[PluginSpec]) -> dict[str, str]:
    """The version of each plugin's spec, by `"<kind> <name>"`."""
    return {f"{spec.kind} {spec.name}": spec.version for spec in specs}


def distributions(specs: Sequence[PluginSpec], registry: Registry) -> dict[str, str]:
    """Where each plugin came from, such as `"metaopt-torch 0.1.0"`, without the paths of this machine."""
    return {f"{spec.kind} {spec.name}": _origin(spec, registry) for spec in specs}


def _origin(spec: PluginSpec, registry: Registry) -> str:
    """The distribution of a plugin; of a class without a rule that of the class, without which there is nothing."""
    if isinstance(spec, OptimizerSpec) and spec.rule is None and spec.native is not None and spec.native.distribution:
        return f"{spec.native.distribution} {spec.version}"
    source = registry.source(spec)
    return f"{source.distribution} {source.version}".strip()


def _checked(name: str, ends: Any) -> Range:
    are_whole = isinstance(ends, Sequence) and all(isinstance(end, Integral) for end in ends)
    if not are_whole or len(ends) != 2 or not 0 < ends[0] <= ends[1] < MOST:
        raise InputError(f"made_on.{name} must be two positive whole numbers, low first, got {quoted(ends)}.")
    return int(ends[0]), int(ends[1])


def _checked_losses(ends: Any) -> tuple[float, float]:
    are_numbers = isinstance(ends, Sequence) and all(isinstance(end, Real) for end in ends)
    if not are_numbers or len(ends) != 2 or not -math.inf < as_float(ends[0]) <= as_float(ends[1]) < math.inf:
        raise InputError(f"made_on.loss must be two numbers, low first, got {quoted(ends)}.")
    return float(ends[0]), float(ends[1])


def _remark(name: str, value: float, made_on: Range | None) -> str:
    if made_on is None:
        return ""
    low, high = made_on
    factor = max(low / max(value, 1), value / high)
    if factor <= TOLERANCE:
        return ""
    direction, end = ("more than the largest", high) if value > high else ("fewer than the smallest", low)
    return f"{value:,.0f} {_RANGES[name]}, {factor:,.0f} times {direction}, {end:,}"


def _libraries() -> dict[str, str]:
    versions_of = {"python": platform.python_version()}
    for distribution in _LIBRARIES:
        try:
            versions_of[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return versions_of


def other_stopper(recipe: "Recipe", stopper: StopperConfiguration | None, registry: Registry) -> "Recipe":
    """The same recipe with another stopper, and that one's plugins on record."""
    others = {key: version for key, version in recipe.plugins.items() if not key.startswith("stopper ")}
    specs = () if stopper is None else stopper_specs(stopper, registry)
    origins = {**recipe.provenance.get("distributions", {}), **distributions(specs, registry)}
    plugins = {**others, **versions(specs)}
    kept = {key: origins[key] for key in plugins if key in origins}
    provenance = {**recipe.provenance, "distributions": kept}
    return replace(recipe, stopper=stopper, plugins=plugins, provenance=provenance)
