"""A configuration names plugins and their hyperparameters; assembling it yields the rule to run.

This is what a search proposes, what the engine trains, what a recipe stores and what a loop deploys.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, reduce
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from metaopt.configuration.misfit import misfit
from metaopt.contracts import Hparams, MetaTraining, Rule
from metaopt.errors import InputError, PluginError, known_keywords, listed, one_line, quoted
from metaopt.plugin import ControllerSpec, OptimizerSpec, PluginSpec, Registry, WrapperSpec
from metaopt.space import Value, as_float, encode, plain, resolve

#: Which parameters weight decay leaves alone: those with at most one dimension, or none.
NoDecay: TypeAlias = Literal["1d", "none"]


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class Configuration:
    """An optimizer, wrappers around it, a controller, and their hyperparameters.

    Two configurations are equal if their keys are: 1 and 1.0 are one value, 0.0 and -0.0 too, 1 and True are two.

    Attributes:
        optimizer: name of an optimizer plugin.
        controller: name of a controller plugin.
        wrappers: names of wrapper plugins, the innermost first.
        hparams: values by `"<plugin>.<hyperparameter>"`; what is absent has its default.
        no_decay: `"1d"` sets `weight_decay` to 0 for parameters of at most one dimension.
    """

    optimizer: str
    controller: str = "constant"
    wrappers: tuple[str, ...] = ()
    hparams: Mapping[str, Value] = field(default_factory=dict)
    no_decay: NoDecay = "1d"

    def __post_init__(self) -> None:
        if isinstance(self.wrappers, str):
            raise InputError(
                f"wrappers must be a list of names, got {quoted(self.wrappers)}; write [{quoted(self.wrappers)}]."
            )
        if not isinstance(self.wrappers, Sequence) or not all(isinstance(name, str) for name in self.wrappers):
            raise InputError(f"wrappers must be a list of names, got {quoted(self.wrappers)}.")
        if not isinstance(self.hparams, Mapping) or not all(isinstance(name, str) for name in self.hparams):
            raise InputError(f"hparams must map 'plugin.hyperparameter' to values, got {quoted(self.hparams)}.")
        object.__setattr__(self, "wrappers", tuple(self.wrappers))
        object.__setattr__(self, "hparams", {name: plain(self.hparams[name]) for name in sorted(self.hparams)})
        if self.no_decay not in ("1d", "none"):
            raise InputError(f"no_decay must be '1d' or 'none', got {quoted(self.no_decay)}.")

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Configuration) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        """What is not at its default; of many hyperparameters the first ones."""
        document = self.to_json()
        if self.no_decay == "1d":
            del document["no_decay"]
        return one_line(self, **{name: value for name, value in document.items() if value not in ([], {})})

    @cached_property
    def key(self) -> str:
        """16 hex digits that identify the configuration, whatever type of number its values are."""
        document = {**self.to_json(), "hparams": {name: _as_key(value) for name, value in self.hparams.items()}}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=repr)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "optimizer": self.optimizer,
            "controller": self.controller,
            "wrappers": list(self.wrappers),
            "hparams": dict(self.hparams),
            "no_decay": self.no_decay,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Configuration":
        """Inverse of `to_json`; what is absent has its default."""
        names = [field.name for field in fields(cls) if field.name == "optimizer" or field.name in document]
        return cls(**{name: document[name] for name in names})


@dataclass(frozen=True)
class Assembly:
    """A configuration with its plugins found and its hyperparameters checked.

    Attributes:
        configuration: what was asked for.
        optimizer: the optimizer's spec.
        wrappers: the wrappers' specs, innermost first.
        controller: the controller's spec.
        pure_rule: the optimizer's rule inside its wrappers; None for an optimizer that is a library's class alone.
        rule_values: every hyperparameter of the rule, as people write it; a wrapper's are prefixed by its name. An `lr`
            that nobody stated is that of the innermost wrapper that declares one (`inner_lr`), else the default.
        controller_values: every hyperparameter of the controller.
        meta_values: every hyperparameter of the learned part's meta-training; empty where there is none.
    """

    configuration: Configuration
    optimizer: OptimizerSpec
    wrappers: tuple[WrapperSpec, ...]
    controller: ControllerSpec
    pure_rule: Rule | None
    rule_values: Mapping[str, Value]
    controller_values: Mapping[str, Value]
    meta_values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def rule(self) -> Rule:
        """The optimizer's rule inside its wrappers.

        Raises:
            PluginError: the optimizer is a library's class without one.
        """
        if self.pure_rule is None:
            raise PluginError(
                f"{self.optimizer.name!r} is a library's class without a rule, and this needs a rule: choose another "
                "optimizer."
            )
        return self.pure_rule

    @cached_property
    def requires(self) -> frozenset[str]:
        """Signals that any of the plugins requires with these hyperparameters."""
        return self.rule_requires | self.controller.required(self.controller_values)

    @cached_property
    def rule_requires(self) -> frozenset[str]:
        """Signals that the optimizer or a wrapper requires with these hyperparameters; the controller's left out."""
        needed = self.optimizer.required(self._own_values)
        return needed.union(*(spec.required(self._wrapper_values(spec)) for spec in self.wrappers))

    @cached_property
    def learned(self) -> OptimizerSpec | WrapperSpec | None:
        """The part whose weights are the rule's theta: the optimizer or a wrapper; None where nothing is learned."""
        parts: tuple[OptimizerSpec | WrapperSpec, ...] = (self.optimizer, *self.wrappers)
        return next((spec for spec in parts if spec.meta is not None), None)

    @cached_property
    def meta(self) -> MetaTraining | None:
        """How the learned part gets its weights."""
        return None if self.learned is None else self.learned.meta

    @cached_property
    def tells(self) -> dict[str, str]:
        """Signals that wrappers have for stoppers, and the entries of the rule's shared state that hold them."""
        return {signal: f"{spec.name}.{entry}" for spec in self.wrappers for signal, entry in spec.tells.items()}

    @cached_property
    def title(self) -> str:
        """`adamw`, or `averaged(adamw)` where it is wrapped."""
        return reduce(lambda inner, name: f"{name}({inner})", self.wrappers_names, self.optimizer.name)

    @cached_property
    def structure(self) -> tuple[str, ...]:
        """What two configurations must share to run through one vmapped update."""
        parts: tuple[OptimizerSpec | WrapperSpec, ...] = (self.optimizer, *self.wrappers)
        decided = [f"{spec.name}.{name}={self.values_of(spec)[name]}" for spec in parts for name in spec.structural]
        return (self.optimizer.name, *self.wrappers_names, self.configuration.no_decay, *decided)

    @cached_property
    def bare_rule(self) -> Rule | None:
        """The optimizer's rule without wrappers; None for a library's class alone."""
        rule = self.optimizer.rule
        return None if rule is None else self.optimizer.formed(rule, self._own_values)

    @cached_property
    def wrappers_names(self) -> tuple[str, ...]:
        """Names of the wrappers, innermost first."""
        return tuple(spec.name for spec in self.wrappers)

    def rule_numbers(self) -> dict[str, float]:
        """The rule's hyperparameters as numbers."""
        numbers = encode(self.optimizer.space, self._own_values)
        for spec in self.wrappers:
            own = encode(spec.space, self._wrapper_values(spec))
            numbers.update({f"{spec.name}.{name}": number for name, number in own.items()})
        return numbers

    def controller_numbers(self) -> dict[str, float]:
        """The controller's hyperparameters as numbers."""
        return encode(self.controller.space, self.controller_values)

    def decays(self, param: Tensor) -> bool:
        """Whether `param` gets weight decay."""
        return self.configuration.no_decay == "none" or param.ndim > 1

    def tensor_hparams(self, params: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> Hparams:
        """For each parameter, its hyperparameters as 0-d tensors; two dicts are shared by all."""
        decayed = {name: torch.tensor(value, dtype=dtype) for name, value in self.rule_numbers().items()}
        spared = {**decayed, "weight_decay": torch.zeros((), dtype=dtype)} if "weight_decay" in decayed else decayed
        return {name: decayed if self.decays(param) else spared for name, param in params.items()}

    def values_of(self, spec: PluginSpec) -> dict[str, Value]:
        """Every hyperparameter of one of the plugins, by its own names, those of its meta-training included."""
        if spec is self.controller:
            return dict(self.controller_values)
        prefix = "" if spec is self.optimizer else f"{spec.name}."
        own = {name: self.rule_values[f"{prefix}{name}"] for name in spec.space}
        return {**own, **(self.meta_values if spec is self.learned else {})}

    @property
    def _own_values(self) -> dict[str, Value]:
        return {name: self.rule_values[name] for name in self.optimizer.space}

    def _wrapper_values(self, spec: WrapperSpec) -> dict[str, Value]:
        return {name: self.rule_values[f"{spec.name}.{name}"] for name in spec.space}


def assemble(configuration: Configuration, registry: Registry) -> Assembly:
    """Find the plugins and check the hyperparameters.

    Raises:
        PluginError: a plugin is unknown, the optimizer has no `lr` and the controller is not `constant`, or a wrapper
            cannot go around the optimizer (see `misfit`).
        InputError: a hyperparameter is unknown or not valid (the message lists the valid ones), or two of the plugins
            have one name.
    """
    if not isinstance(configuration, Configuration):
        raise InputError(f"A recipe is made of a metaopt.Configuration, got {quoted(configuration)}.")
    optimizer = registry.get(OptimizerSpec, configuration.optimizer)
    wrappers = tuple(registry.get(WrapperSpec, name) for name in configuration.wrappers)
    controller = registry.get(ControllerSpec, configuration.controller)
    if not optimizer.has_lr and controller.name != "constant":
        raise PluginError(
            f"{optimizer.name} has no lr for the controller {controller.name!r} to act on; use controller 'constant'."
        )
    owners: tuple[PluginSpec, ...] = (optimizer, *wrappers, controller)
    stated = _by_owner(configuration.hparams, owners)
    parts: tuple[OptimizerSpec | WrapperSpec, ...] = (optimizer, *wrappers)
    reason = misfit(optimizer, wrappers)
    if reason is not None:
        raise PluginError(reason)
    rule_values: dict[str, Value] = {}
    meta_values: dict[str, Value] = {}
    for spec in parts:
        prefix = "" if spec is optimizer else f"{spec.name}."
        for name, value in resolve(spec.full_space, stated[spec.name], spec.name).items():
            if name in spec.space:
                rule_values[f"{prefix}{name}"] = value
            else:
                meta_values[name] = value
    inner_lr = next((spec.inner_lr for spec in wrappers if spec.inner_lr is not None), None)
    if inner_lr is not None and optimizer.has_lr and "lr" not in stated[optimizer.name]:
        rule_values["lr"] = float(inner_lr)  # a factor, and no rate that the bounds of `lr` are meant for
    return Assembly(
        configuration=configuration,
        optimizer=optimizer,
        wrappers=wrappers,
        controller=controller,
        pure_rule=_wrapped(optimizer, wrappers, rule_values),
        rule_values=rule_values,
        controller_values=resolve(controller.space, stated[controller.name], controller.name),
        meta_values=meta_values,
    )


def _wrapped(optimizer: OptimizerSpec, wrappers: Sequence[WrapperSpec], values: Mapping[str, Value]) -> Rule | None:
    if optimizer.rule is None:
        return None
    rule = optimizer.formed(optimizer.rule, values)
    for spec in wrappers:
        rule = spec.formed(spec.wrap(rule), {name: values[f"{spec.name}.{name}"] for name in spec.space})
    return rule


def _as_key(value: Any) -> Any:
    """What stands for a hyperparameter's value in a key: equal for equal values alone."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return list(map(_as_key, value)) if isinstance(value, list | tuple) else value
    number = as_float(value) + 0.0  # -0.0 becomes 0.0
    return number if number == value or value != value else hex(int(value))  # more digits than a float has


def _by_owner(hparams: Mapping[str, Value], owners: tuple[PluginSpec, ...]) -> dict[str, dict[str, Value]]:
    names = [spec.name for spec in owners]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"Hyperparameters are told apart by their plugin's name, but {listed(repeated)} comes more than once in "
            f"{listed(names)}; leave one out or rename it."
        )
    by_owner: dict[str, dict[str, Value]] = {name: {} for name in names}
    for full, value in hparams.items():
        owner, dot, name = full.partition(".")
        if not dot or owner not in by_owner:
            raise InputError(
                f"Hyperparameter {quoted(full)} belongs to none of {sorted(by_owner)}; "
                "write it as 'plugin.hyperparameter'."
            )
        by_owner[owner][name] = value
    return by_owner
