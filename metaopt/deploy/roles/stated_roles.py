"""The argument `roles` as users write it: patterns of names, and what roles have of their own."""

from collections.abc import Mapping
from typing import Any

from metaopt.errors import InputError, quoted
from metaopt.parameter_roles import ROLES
from metaopt.plugin import OptimizerSpec, current_registry


def patterns_and_settings(roles: Any) -> tuple[dict[str, str] | None, dict[str, Any]]:
    """Role by pattern, None where there is no `roles`, and settings by role; both are checked where they are used.

    Raises:
        InputError: it is no mapping, or an optimizer stands where a pattern has its role.
    """
    if roles is None:
        return None, {}
    if not isinstance(roles, Mapping):
        raise InputError(
            "roles must map roles to their settings ('matrix': {'optimizer': 'muon'}) and patterns of names to roles "
            f"('lm_head.*': 'head'), got {quoted(roles)}."
        )
    for key, own in roles.items():
        _refuse_optimizer(key, own)
    patterns = {key: own for key, own in roles.items() if isinstance(own, str)}
    return patterns, {key: own for key, own in roles.items() if not isinstance(own, str)}


def check_patterns(roles: Any) -> None:
    """Refuse settings of roles where patterns alone are taken.

    Raises:
        InputError: there are some.
    """
    for key, own in roles.items() if isinstance(roles, Mapping) else ():
        if not isinstance(own, str):
            raise InputError(
                f"bind takes patterns of names alone (roles={{'lm_head.*': 'head'}}), got {quoted(own)} for "
                f"{quoted(key)}; what a role has of its own is in the recipe's configuration, Configuration(roles=…)."
            )


def _refuse_optimizer(key: Any, own: Any) -> None:
    """Refuse the short form `{"matrix": "muon"}`, which could be a pattern."""
    if not isinstance(own, str) or own in ROLES:
        return
    if key in ROLES:
        raise InputError(
            f"roles: {key} must have settings, got {quoted(own)}; write {{{key!r}: {{'optimizer': {quoted(own)}}}}}."
        )
    if any(spec.name == own for spec in current_registry().specs(OptimizerSpec)):
        raise InputError(
            f"roles: {quoted(key)} is a pattern of names and stands for a role, got the optimizer {quoted(own)}; write "
            f"{{{quoted(key)}: 'matrix', 'matrix': {{'optimizer': {quoted(own)}}}}}."
        )
