"""What a user puts in place of declared distributions: the values of `--set`."""

import json
from collections.abc import Mapping

from metaopt.errors import InputError, bracketed, quoted
from metaopt.space import Categorical, Distribution, Float, Int, Space, Value
from metaopt.tuning.own_values import OWN
from metaopt.tuning.search.rate_laws import LAW
from metaopt.tuning.search.role_choices import OWNER


def parsed_setting(setting: str, spaces: Mapping[str, Space]) -> tuple[str, Distribution | Value]:
    """The full name of a hyperparameter, and its new distribution or its value.

    Args:
        setting: `"plugin.hyperparameter=low..high"` or `"…=value"`.
        spaces: what there is to set, by plugin; `roles`, `rate_law` and `values` are among them.

    Raises:
        InputError: it is malformed, out of range, or names an unknown hyperparameter.
    """
    full, equals, text = setting.partition("=")
    owner, dot, name = full.strip().partition(".")
    if not (equals and dot and text.strip()):
        raise InputError(f"--set takes plugin.hyperparameter=low..high or =value, got {quoted(setting)}.")
    if owner == OWN and owner not in spaces:
        raise InputError(f"--set {quoted(setting)}: no task has hyperparameters of its own; declare them by space=.")
    if owner not in spaces:
        plugins = sorted(set(spaces) - {OWNER, LAW, OWN})
        raise InputError(
            f"--set {quoted(setting)}: {quoted(owner)} is not among the tuned plugins {bracketed(plugins, 12)}."
        )
    space = spaces[owner]
    if owner == OWNER and name == "matrix" and name not in space:
        raise InputError(
            f"--set {quoted(setting)}: no optimizer for matrices is among those tuned; add it to --optimizers."
        )
    if name not in space:
        raise InputError(
            f"--set {quoted(setting)}: {owner} has no hyperparameter {quoted(name)}; it has {sorted(space)}."
        )
    if owner == LAW and ".." in text:
        raise InputError(
            f"--set {quoted(setting)}: exponents of a law are fixed, not searched; write {LAW}.{name}=VALUE."
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
