"""What every wrapper must do: the rule that it makes is a rule like any other."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import metaopt
from metaopt.registry import current
from metaopt.specs import OptimizerSpec, WrapperSpec
from metaopt.testing.errors import ConformanceError
from metaopt.testing.rules import CHECKS as RULE_CHECKS
from metaopt.testing.rules import theta_is_reproducible
from metaopt.testing.shells import CHECKS as SHELL_CHECKS
from metaopt.testing.shells import native_equals_rule
from metaopt.testing.subject import Subject


def _around(check: Callable[[Subject], None]) -> Callable[[Any], None]:
    """The check of a rule, made of the wrapper around each of the inner rules."""

    @wraps(check)
    def on_each(spec: WrapperSpec) -> None:
        for inner in inner_rules():
            try:
                check(Subject(inner, (spec,)))
            except ConformanceError as error:
                error.message = f"Around {inner.name}: {error.message}"
                raise

    return on_each


@cache
def inner_rules() -> tuple[OptimizerSpec, ...]:
    """A plain gradient descent, and `adamw` where it is installed."""
    descent = OptimizerSpec(
        name="plain_descent",
        version="1",
        rule=metaopt.per_tensor(
            init=lambda param, hparams, theta, horizon: {},
            update=lambda grad, state, param, hparams, theta, info: (-hparams["lr"] * grad, state),
        ),
        space={"lr": metaopt.Float(1e-3, 1.0, log=True, default=0.1)},
    )
    installed = current()
    adamw = [installed.get(OptimizerSpec, "adamw")] if "adamw" in installed.names(OptimizerSpec) else []
    return (descent, *adamw)


# A wrapped rule has neither a library's class nor theta of its own.
_ABOUT_OPTIMIZERS = (theta_is_reproducible, native_equals_rule)

CHECKS: tuple[Callable[[Any], None], ...] = tuple(
    _around(check) for check in (*RULE_CHECKS, *SHELL_CHECKS) if check not in _ABOUT_OPTIMIZERS
)
