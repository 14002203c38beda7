"""What every wrapper must do: the rule that it makes is a rule like any other."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from metaopt.configuration import misfit
from metaopt.contracts import SteeringRule
from metaopt.plugin import OptimizerSpec, WrapperSpec, current_registry
from metaopt.testing.errors import ConformanceError, NotApplicable
from metaopt.testing.rules.descent import CHECKS as DESCENT_CHECKS
from metaopt.testing.rules.key_order import CHECKS as KEY_ORDER_CHECKS
from metaopt.testing.rules.purity import CHECKS as PURITY_CHECKS
from metaopt.testing.rules.rules import CHECKS as RULE_CHECKS
from metaopt.testing.rules.rules import theta_is_reproducible
from metaopt.testing.rules.shells import CHECKS as SHELL_CHECKS
from metaopt.testing.rules.shells import native_equals_rule
from metaopt.testing.rules.subject import DESCENT, Subject


def _around(
    check: Callable[[Subject], None], rules: Callable[[WrapperSpec], Sequence[OptimizerSpec]] | None = None
) -> Callable[[Any], None]:
    """A check of wrappers: runs a check of rules on the wrapper around each rule of `rules`, or of `inner_rules`."""

    @wraps(check)
    def on_each(spec: WrapperSpec) -> None:
        for inner in inner_rules() if rules is None else rules(spec):
            try:
                check(Subject(inner, (spec,)))
            except ConformanceError as error:
                error.message = f"Around {inner.name}: {error.message}"
                raise

    return on_each


def inner_rules() -> tuple[OptimizerSpec, ...]:
    """A plain gradient descent, and `adamw` where it is installed."""
    installed = current_registry()
    adamw = [installed.get(OptimizerSpec, "adamw")] if "adamw" in installed.names(OptimizerSpec) else []
    return (DESCENT, *adamw)


def installed_rules(spec: WrapperSpec) -> list[OptimizerSpec]:
    """Plain descent, and all installed optimizers that the wrapper fits and that need no meta-training first."""
    installed = current_registry()
    optimizers = [DESCENT, *installed.specs(OptimizerSpec)]
    ready = [rule_spec for rule_spec in optimizers if rule_spec.meta is None or rule_spec.meta.shipped is not None]
    return [rule_spec for rule_spec in ready if misfit(rule_spec, [spec]) is None]


@wraps(native_equals_rule)
def _steered_class_equals_rule(spec: WrapperSpec) -> None:
    inner = inner_rules()[-1]
    if inner.native is None or inner.rule is None or not isinstance(spec.wrap(inner.rule), SteeringRule):
        raise NotApplicable("Only a metaopt.SteeringRule goes around a library's class.")
    native_equals_rule(Subject(inner, (spec,)))


_ABOUT_RULES = (*PURITY_CHECKS, *KEY_ORDER_CHECKS, *RULE_CHECKS, *SHELL_CHECKS)
# A wrapper has no theta of its own; a library's class serves a wrapped rule only where the wrapper steers it.
_ABOUT_OPTIMIZERS = (theta_is_reproducible, native_equals_rule)

CHECKS: tuple[Callable[[Any], None], ...] = (
    *(_around(check) for check in _ABOUT_RULES if check not in _ABOUT_OPTIMIZERS),
    _steered_class_equals_rule,
    *(_around(check, installed_rules) for check in DESCENT_CHECKS),
)
