"""A configuration names plugins and their hyperparameters.

This is what a search proposes, what the engine trains, what a recipe stores and what a loop deploys.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from metaopt.configuration.role import Role, checked_factor, checked_roles
from metaopt.contracts import RateLaw
from metaopt.errors import InputError, known_keywords, listed, one_line, quoted
from metaopt.plugin import PluginSpec
from metaopt.space import Value, as_float, plain

#: Which parameters weight decay leaves alone: those with at most one dimension, or none.
NoDecay: TypeAlias = Literal["1d", "none"]


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class Configuration:
    """An optimizer, wrappers around it, a controller, and their hyperparameters; or a learner with its own.

    Two configurations are equal if their keys are: 1 and 1.0 are one value, 0.0 and -0.0 too, 1 and True are two.

    Attributes:
        optimizer: name of an optimizer plugin; left out where there is a learner.
        controller: name of a controller plugin.
        wrappers: names of wrapper plugins, the innermost first.
        hparams: values by `"<plugin>.<hyperparameter>"`; what is absent has its default.
        no_decay: `"1d"` sets `weight_decay` to 0 for parameters of at most one dimension.
        roles: what parameters of a role have of their own, by role: an optimizer, a factor on its rate, a decay.
        depth_decay: in (0, 1] as a rule; the rate of each parameter is multiplied by it once for each layer above.
        rate_law: by optimizer, how its `lr` follows parameters, batch size and steps; without one `lr` is the rate.
        warmup: share of the planned steps over which all rates rise linearly in front of the controller, for
            controllers that have no warm-up of their own; without a plan, of 500 steps.
        learner: name of a learner plugin, which takes the place of all others; empty for none.
        weighting: name of a plugin that weighs the losses of tasks that share a trunk; empty for equal weights.
        surgery: name of a plugin that makes one gradient of those of such tasks; empty for their mean.
        values: of the hyperparameters that tasks have of their own, by name (see `metaopt.Task.space`); what is absent
            has its task's default.
    """

    optimizer: str = ""
    controller: str = "constant"
    wrappers: tuple[str, ...] = ()
    hparams: Mapping[str, Value] = field(default_factory=dict)
    no_decay: NoDecay = "1d"
    roles: Mapping[str, Role] = field(default_factory=dict)
    depth_decay: float = 1.0
    rate_law: Mapping[str, RateLaw] = field(default_factory=dict)
    warmup: float = 0.0
    learner: str = ""
    weighting: str = ""
    surgery: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

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
        object.__setattr__(self, "roles", checked_roles(self.roles))
        object.__setattr__(self, "depth_decay", checked_factor(self.depth_decay, "depth_decay"))
        object.__setattr__(self, "rate_law", _checked_laws(self.rate_law))
        object.__setattr__(self, "warmup", _checked_share(self.warmup))
        for name in ("weighting", "surgery"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"{name} must be the name of a plugin, got {quoted(getattr(self, name))}.")
        object.__setattr__(self, "values", _checked_values(self.values))
        self._check_learner()

    def _check_learner(self) -> None:
        """Refuse a learner that is no name, or that stands beside other plugins; and a configuration of nothing."""
        if not isinstance(self.learner, str):
            raise InputError(f"learner must be the name of a plugin, got {quoted(self.learner)}.")
        usual: dict[str, Any] = {"optimizer": "", "controller": "constant", "wrappers": (), "roles": {}, "rate_law": {}}
        usual |= {"depth_decay": 1.0, "warmup": 0.0, "weighting": "", "surgery": "", "values": {}}
        others = [name for name, value in usual.items() if getattr(self, name) != value]
        if self.learner and others:
            raise InputError(
                f"A configuration of the learner {quoted(self.learner)} has nothing but hparams beside it; leave out "
                f"{others[0]}."
            )
        if not self.learner and isinstance(self.optimizer, str) and not self.optimizer:
            raise InputError("A configuration names an optimizer or a learner, and this one names neither.")

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Configuration) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        """What is not at its default; of many hyperparameters the first ones, of roles and laws whose they are."""
        document = {**self.to_json(), "roles": ", ".join(self.roles), "rate_law": ", ".join(self.rate_law)}
        if self.no_decay == "1d":
            document.pop("no_decay", None)
        return one_line(self, **{name: value for name, value in document.items() if value not in ([], {}, "")})

    @cached_property
    def key(self) -> str:
        """16 hex digits that identify the configuration, whatever type of number its values are."""
        document = {**self.to_json(), "hparams": {name: _as_key(value) for name, value in self.hparams.items()}}
        if self.values:
            document["values"] = {name: _as_key(value) for name, value in self.values.items()}
        if self.rate_law:  # what was measured of a law is no part of what trains
            document["rate_law"] = {name: law.exponents for name, law in self.rate_law.items()}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=repr)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]

    @property
    def optimizers(self) -> tuple[str, ...]:
        """Its optimizer, then those that roles have beside it, each once; none of a learner."""
        if self.learner:
            return ()
        others = (role.optimizer for role in self.roles.values() if role.optimizer is not None)
        return tuple(dict.fromkeys((self.optimizer, *others)))

    @property
    def balances_tasks(self) -> bool:
        """Whether it weighs the losses of tasks that share a trunk, or makes one gradient of theirs."""
        return bool(self.weighting or self.surgery)

    @property
    def title(self) -> str:
        """One line for tables, such as `"adamw+cosine"`; the name of a learner by itself."""
        tasks = [name for name in (self.weighting, self.surgery) if name]
        return self.learner or "+".join([*self.optimizers, *self.wrappers, self.controller, *tasks])

    @property
    def unscaled(self) -> "Configuration":
        """The same without a law: `lr` is the rate."""
        return replace(self, rate_law={}) if self.rate_law else self

    @property
    def without_input_factor(self) -> "Configuration":
        """The same with `input` at its optimizer's rate, as weights that are trained already want it."""
        own = self.roles.get("input", Role())
        return replace(self, roles={**self.roles, "input": replace(own, rate=1.0, fan_in=None)})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; from `roles` on only what says something; of a learner itself and `hparams` alone."""
        if self.learner:
            return {"learner": self.learner, "hparams": dict(self.hparams)}
        roles = {name: role.to_json() for name, role in self.roles.items()}
        laws = {name: law.to_json() for name, law in self.rate_law.items()}
        return {
            "optimizer": self.optimizer,
            "controller": self.controller,
            "wrappers": list(self.wrappers),
            "hparams": dict(self.hparams),
            "no_decay": self.no_decay,
            **({"roles": roles} if roles else {}),
            **({} if self.depth_decay == 1.0 else {"depth_decay": self.depth_decay}),
            **({"rate_law": laws} if laws else {}),
            **({"warmup": self.warmup} if self.warmup else {}),
            **({"weighting": self.weighting} if self.weighting else {}),
            **({"surgery": self.surgery} if self.surgery else {}),
            **({"values": dict(self.values)} if self.values else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Configuration":
        """Inverse of `to_json`; what is absent has its default."""
        needed = "learner" if "learner" in document else "optimizer"
        names = [field.name for field in fields(cls) if field.name == needed or field.name in document]
        return cls(**{name: document[name] for name in names})


def by_owner(hparams: Mapping[str, Value], owners: Sequence[PluginSpec]) -> dict[str, dict[str, Value]]:
    """Values by plugin and by its own names for them.

    Raises:
        InputError: a name belongs to none of the plugins, or two of these have one name.
    """
    names = [spec.name for spec in owners]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"Hyperparameters are told apart by their plugin's name, but {listed(repeated)} comes more than once in "
            f"{listed(names)}; leave one out or rename it."
        )
    owned: dict[str, dict[str, Value]] = {name: {} for name in names}
    for full, value in hparams.items():
        owner, dot, name = full.partition(".")
        if not dot or owner not in owned:
            raise InputError(
                f"Hyperparameter {quoted(full)} belongs to none of {sorted(owned)}; "
                "write it as 'plugin.hyperparameter'."
            )
        owned[owner][name] = value
    return owned


def _checked_laws(laws: Any) -> dict[str, RateLaw]:
    """Laws by optimizer in order; JSON is read."""
    if not isinstance(laws, Mapping) or not all(isinstance(name, str) for name in laws):
        raise InputError(f"rate_law must map optimizers to laws ('adamw': RateLaw()), got {quoted(laws)}.")
    return {name: RateLaw.from_json(laws[name]) for name in sorted(laws)}


def _checked_share(warmup: Any) -> float:
    if not 0 <= as_float(warmup) <= 1:  # NaN, for what is no number, is not
        raise InputError(f"warmup must be a share of the planned steps, from 0 to 1, got {quoted(warmup)}.")
    return float(warmup)


def _checked_values(values: Any) -> dict[str, Value]:
    """Values by name in order, as JSON knows them."""
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise InputError(f"values must map names of hyperparameters to values, got {quoted(values)}.")
    known = {name: plain(values[name]) for name in sorted(values)}
    for name, value in known.items():
        if not isinstance(value, bool | int | float | str) or value in (math.inf, -math.inf) or value != value:
            raise InputError(f"values[{quoted(name)}] must be a number, a truth value or a text, got {quoted(value)}.")
    return known


def _as_key(value: Any) -> Any:
    """What stands for a hyperparameter's value in a key: equal for equal values alone."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return list(map(_as_key, value)) if isinstance(value, list | tuple) else value
    number = as_float(value) + 0.0  # -0.0 becomes 0.0
    return number if number == value or value != value else hex(int(value))  # more digits than a float has
