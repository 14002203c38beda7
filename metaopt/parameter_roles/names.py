"""Names of parameters without what wrappers put into them, and roles that a user states by patterns of names."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from metaopt.errors import InputError, did_you_mean, quoted

#: What DataParallel, DDP and AveragedModel put into names; torch.compile; FSDP; activation checkpoints.
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
#: The roles that a parameter may have: `matrix` multiplies hidden activations, `input` a raw input, `head` makes the
#: output, `embedding` is looked up, `vector` is all else: biases, norms, scalars.
ROLES = ("matrix", "embedding", "head", "vector", "input")


def bare_name(name: str) -> str:
    """The name as it would be without wrappers around the model.

    Example:
        >>> bare_name("module._orig_mod.0.weight")
        '0.weight'
    """
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def checked_role(role: Any, owner: str = "") -> str:
    """The name of a role.

    Args:
        role: what somebody gave.
        owner: what it was given for, as the beginning of a sentence.

    Raises:
        InputError: it is none.
    """
    if isinstance(role, str) and role in ROLES:
        return role
    correct = did_you_mean(role, ROLES, "; {}") if isinstance(role, str) else None
    raise InputError(f"{owner}A role is one of {', '.join(ROLES)}, got {quoted(role)}{correct or ''}.")


def overridden(found: Mapping[str, str], patterns: Mapping[str, str] | None) -> dict[str, str]:
    """The roles with those that patterns state in place of what was found.

    Args:
        found: role by name.
        patterns: role by pattern, with `*`, `?` and `[…]` as in file names; matched with and without what wrappers such
            as DDP put into names.

    Raises:
        InputError: a pattern matches nothing, or two with different roles match one name.
    """
    stated: dict[str, str] = {}
    pattern_of: dict[str, str] = {}
    for pattern, role in _checked(patterns).items():
        names = [pattern] if pattern in found else _matched(found, pattern)
        if not names:
            examples = f"; there are {', '.join(list(found)[:3])} …" if found else ""
            raise InputError(f"The pattern {quoted(pattern)} matches no parameter{examples:.120}; correct it.")
        for name in names:
            if stated.get(name, role) != role:
                raise InputError(
                    f"The parameter {quoted(name)} is matched by {quoted(pattern_of[name])} as {stated[name]} and by "
                    f"{quoted(pattern)} as {role}; leave one of the two patterns out, or make it narrower."
                )
            stated[name], pattern_of[name] = role, pattern
    return {**found, **stated}


def _matched(names: Iterable[str], pattern: str) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern) or fnmatchcase(bare_name(name), pattern)]


def _checked(patterns: Mapping[str, str] | None) -> dict[str, str]:
    if patterns is None:
        return {}
    if not isinstance(patterns, Mapping) or not all(isinstance(pattern, str) for pattern in patterns):
        raise InputError(f"roles must map patterns of names to roles ('lm_head.*': 'head'), got {quoted(patterns)}.")
    return {pattern: checked_role(role, f"{quoted(pattern)}: ") for pattern, role in patterns.items()}
