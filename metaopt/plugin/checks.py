"""What a spec must not declare: refused when it is made, where its author reads it, and not in a user's run."""

import math
from collections.abc import Mapping
from typing import Any, get_args

from metaopt.contracts import SIGNALS, Cadence, Granularity, MetaTraining, Rule
from metaopt.errors import PluginError, quoted
from metaopt.plugin.spec import PluginSpec
from metaopt.space import Space

#: Signals that are known whenever a controller of the cadence is asked.
_KNOWN: Mapping[Cadence, frozenset[str]] = {
    "table": frozenset({"horizon"}),
    "step": frozenset(SIGNALS),
    "validation": frozenset({"horizon", "metric"}),
}


def check_rule(name: str, rule: Any) -> None:
    """Check that an optimizer's rule is one; PluginError otherwise."""
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


def check_cadence(spec: PluginSpec, cadence: Cadence) -> None:
    """Check that what a controller requires is known when it is asked; PluginError otherwise."""
    required = {*spec.requires, *spec.requires_when}
    unknown = ", ".join(sorted(required - _KNOWN[cadence]))
    if unknown:
        fitting = " or ".join(repr(other) for other, known in _KNOWN.items() if required <= known)
        raise PluginError(
            f"ControllerSpec(name={spec.name!r}) requires {unknown}, which nobody knows when a controller of cadence "
            f"{cadence!r} is asked; say cadence={fitting}, or require no more than {sorted(_KNOWN[cadence])}."
        )


def check_functions(spec: PluginSpec, **functions: Any) -> None:
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


def with_meta(space: Space, meta: MetaTraining | None) -> Space:
    """A space and, for learned plugins, the hyperparameters of their meta-training."""
    return space if meta is None else {**meta.full_space, **space}


def check_meta(spec: PluginSpec, meta: MetaTraining | None) -> None:
    """Check that a hyperparameter is declared once; PluginError otherwise."""
    twice = sorted(set(spec.space) & set(meta.full_space)) if meta is not None else []
    if twice:
        raise PluginError(f"{type(spec).__name__}(name={spec.name!r}): both space and meta declare {twice}.")
