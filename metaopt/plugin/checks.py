"""What a spec must not declare: refused when it is made, where its author reads it, and not in a user's run."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, get_args

from metaopt.contracts import SIGNALS, Cadence, Controller, Granularity, MetaTraining, RateLaw, Rule
from metaopt.errors import PluginError, quoted
from metaopt.space import Categorical, Float, Int, When, ordered

if TYPE_CHECKING:
    from metaopt.plugin.kinds import ControllerSpec, StopperSpec
    from metaopt.plugin.optimizer import OptimizerSpec
    from metaopt.plugin.plugin_spec import PluginSpec

#: The contract that this metaopt has.
API = 1

#: Signals that are known whenever a controller of the cadence is asked.
_KNOWN: Mapping[Cadence, frozenset[str]] = {
    "table": frozenset({"horizon"}),
    "step": frozenset(SIGNALS),
    "validation": frozenset({"horizon", "metric"}),
}


def check_declaration(spec: "PluginSpec") -> None:
    """Check what plugins of every kind declare; PluginError otherwise."""
    where = f"{type(spec).__name__}(name={quoted(spec.name)})"
    name = spec.name
    if not isinstance(name, str) or not name.replace("_", "").isalnum() or name != name.lower() or len(name) > 80:
        raise PluginError(f"{where}: a name consists of lower case letters, digits and '_', 80 at most.")
    if not isinstance(spec.version, str) or not spec.version:
        raise PluginError(f"{where}: version must be a string such as '1', got {quoted(spec.version)}.")
    if spec.api != API:
        raise PluginError(f"{where} was written for api {quoted(spec.api)}; this metaopt has api {API}.")
    for key, distribution in spec.space.items():
        if not isinstance(distribution, Float | Int | Categorical):
            raise PluginError(
                f"{where}: space[{quoted(key)}] must be a Float, Int or Categorical, got {quoted(distribution)}."
            )
    ordered(spec.space)
    for signal, condition in spec.requires_when.items():
        if not isinstance(condition, When):
            raise PluginError(f"{where}: requires_when[{signal!r}] must be a metaopt.When, got {quoted(condition)}.")
        if condition.name not in spec.space:
            raise PluginError(
                f"{where}: requires_when[{signal!r}] names the unknown hyperparameter {condition.name!r}."
            )


def names_of_signals(spec: "PluginSpec", field_name: str, names: object) -> frozenset[str]:
    """Names of signals as a set; PluginError where they are none, such as a string for the set that holds it."""
    where = f"{type(spec).__name__}(name={quoted(spec.name)})"
    listed = isinstance(names, Iterable) and not isinstance(names, str | Mapping)
    signals = frozenset(names) if isinstance(names, Iterable) and listed else frozenset()
    if not listed or not all(isinstance(name, str) for name in signals):
        example = f'{{"{names}"}}' if isinstance(names, str) else '{"loss"}'
        raise PluginError(f"{where}: {field_name} must be a set of names, such as {example:.80}, got {quoted(names)}.")
    return signals


def check_signals(spec: "PluginSpec") -> None:
    """Check that what a plugin requires is known; PluginError otherwise."""
    unknown = sorted({*spec.requires, *spec.requires_when} - set(SIGNALS))
    if unknown:
        raise PluginError(
            f"{type(spec).__name__}(name={spec.name!r}) requires unknown signals {unknown}; known: {sorted(SIGNALS)}."
        )


def check_packs(spec: "PluginSpec", packs: Mapping[str, tuple[str, ...]]) -> None:
    """Check that what a param group packs are hyperparameters; PluginError otherwise."""
    for key, names in packs.items():
        missing = [name for name in names if name not in spec.space]
        if missing:
            raise PluginError(f"OptimizerSpec(name={spec.name!r}): packs[{key!r}] names unknown {missing}.")


def check_controller(spec: "ControllerSpec") -> None:
    """Check a controller, and that what it requires is known when it is asked; PluginError otherwise."""
    if not isinstance(spec.controller, Controller):
        raise PluginError(f"ControllerSpec(name={spec.name!r}): controller must have init and update.")
    if spec.cadence not in get_args(Cadence):
        raise PluginError(
            f"ControllerSpec(name={spec.name!r}): cadence must be 'table', 'step' or 'validation', "
            f"got {quoted(spec.cadence)}."
        )
    if not isinstance(spec.absolute, bool):
        raise PluginError(
            f"ControllerSpec(name={spec.name!r}): absolute must be True or False, got {quoted(spec.absolute)}."
        )
    check_signals(spec)
    _check_cadence(spec, spec.cadence)
    if spec.plain is not None and spec.cadence == "step":
        raise PluginError(
            f"ControllerSpec(name={spec.name!r}): plain= is for cadence 'table' or 'validation', not 'step'."
        )


def check_stopper(spec: "StopperSpec") -> None:
    """Check that a stopper has a pure form or a class, and what goes with it; PluginError otherwise."""
    optional = {"fires": spec.fires, "factory": spec.factory, "fit": spec.fit, "shipped": spec.shipped}
    check_functions(spec, **{name: function for name, function in optional.items() if function is not None})
    if (spec.fires is None) == (spec.factory is None):
        raise PluginError(f"StopperSpec(name={spec.name!r}) needs exactly one of fires= and factory=.")
    fitted = {spec.fit is not None, bool(spec.theta_shapes), spec.shipped is not None or spec.fit is not None}
    if len(fitted) > 1 or (spec.fit is not None and spec.fires is None):
        raise PluginError(f"StopperSpec(name={spec.name!r}): fit=, fires= and theta_shapes= come together.")
    if spec.combines and spec.factory is None:
        raise PluginError(f"StopperSpec(name={spec.name!r}): combines= is for policies with factory=.")
    if spec.uses and spec.fires is None:
        raise PluginError(f"StopperSpec(name={spec.name!r}): uses= is for policies with fires=.")


def check_rule(spec: "OptimizerSpec") -> None:
    """Check that an optimizer has a rule that is one, or a class in its place; PluginError otherwise."""
    name, rule = spec.name, spec.rule
    if rule is None:
        _check_class_alone(spec)
        return
    if not isinstance(rule, Rule):
        needed = ("granularity", "init", "update", "start", "evaluation_params")
        missing = [attribute for attribute in needed if not hasattr(rule, attribute)]
        raise PluginError(
            f"OptimizerSpec(name={name!r}): rule lacks {missing}; "
            "make it with metaopt.per_tensor or subclass metaopt.Rule."
        )
    if rule.granularity not in get_args(Granularity):
        raise PluginError(
            f"OptimizerSpec(name={name!r}): the rule's granularity must be one of {list(get_args(Granularity))}, "
            f"got {quoted(rule.granularity)}."
        )


def check_structural(spec: "PluginSpec", rule: Any = None) -> None:
    """Check that structural hyperparameters are some, and fields of the rule, if given; PluginError otherwise."""
    where = f"{type(spec).__name__}(name={quoted(spec.name)})"
    for name in spec.structural:
        if name not in spec.space:
            raise PluginError(f"{where}: structural names the unknown hyperparameter {quoted(name)}.")
        if rule is None:
            continue
        default = spec.space[name].default
        own = getattr(rule, name, None) if is_dataclass(rule) else None
        if own != default:
            raise PluginError(
                f"{where}: structural names {quoted(name)}, so the rule must be a frozen dataclass with a field of "
                f"this name whose default is {quoted(default)}, got {quoted(rule)}."
            )


def _check_class_alone(spec: "OptimizerSpec") -> None:
    if spec.native is None:
        raise PluginError(
            f"OptimizerSpec(name={spec.name!r}) needs a rule=, or the class of a library as native=; "
            "metaopt.optimizer_spec makes one of a class."
        )
    if spec.meta is not None:
        raise PluginError(f"OptimizerSpec(name={spec.name!r}): meta= trains the weights of a rule, and there is none.")


def check_takes(name: str, takes: Any, known: tuple[str, ...]) -> None:
    """Check which tensors an optimizer says that it takes; PluginError otherwise."""
    if takes not in known:
        choices = " or ".join(repr(choice) for choice in known)
        raise PluginError(f"OptimizerSpec(name={name!r}): takes must be {choices}, got {quoted(takes)}.")


def check_rate_law(spec: "OptimizerSpec") -> None:
    """Check the law that an optimizer's rate is expected to follow; PluginError otherwise."""
    if not isinstance(spec.rate_law, RateLaw):
        raise PluginError(
            f"OptimizerSpec(name={spec.name!r}): rate_law must be a metaopt.RateLaw, got {quoted(spec.rate_law)}; "
            "write rate_law=metaopt.RateLaw(parameters=0.33)."
        )
    if spec.rate != "rate" and any(spec.rate_law.exponents.values()):
        reason = "it has no lr" if spec.rate == "none" else "its lr is a factor on what it sets by itself"
        raise PluginError(
            f"OptimizerSpec(name={spec.name!r}): {reason}, so that no law acts on it; leave rate_law out."
        )


def _check_cadence(spec: "PluginSpec", cadence: Cadence) -> None:
    """Check that what a controller requires is known when it is asked; PluginError otherwise."""
    required = {*spec.requires, *spec.requires_when}
    unknown = ", ".join(sorted(required - _KNOWN[cadence]))
    if unknown:
        fitting = " or ".join(repr(other) for other, known in _KNOWN.items() if required <= known)
        raise PluginError(
            f"ControllerSpec(name={spec.name!r}) requires {unknown}, which nobody knows when a controller of cadence "
            f"{cadence!r} is asked; say cadence={fitting}, or require no more than {sorted(_KNOWN[cadence])}."
        )


def check_functions(spec: "PluginSpec", **functions: Any) -> None:
    """Check that what a plugin gives for functions, by field, can be called; PluginError otherwise."""
    for name, function in functions.items():
        if not callable(function):
            raise PluginError(
                f"{type(spec).__name__}(name={spec.name!r}): {name} must be a function, got {quoted(function)}."
            )


def check_inner_lr(name: str, rate: Any) -> None:
    """Check the rate that a wrapper leaves the rule inside; PluginError otherwise."""
    known = isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < math.inf
    if rate is not None and not known:
        raise PluginError(
            f"WrapperSpec(name={name!r}): inner_lr must be a positive number or None, got {quoted(rate)}."
        )


def check_meta(spec: "PluginSpec", meta: MetaTraining | None) -> None:
    """Check that a hyperparameter is declared once; PluginError otherwise."""
    twice = sorted(set(spec.space) & set(meta.full_space)) if meta is not None else []
    if twice:
        raise PluginError(f"{type(spec).__name__}(name={spec.name!r}): both space and meta declare {twice}.")
