"""What of a space decides the proposals that are drawn from it."""

from dataclasses import replace

from metaopt.space.distributions import Categorical, Space


def as_proposed(space: Space) -> dict[str, str]:
    """By name, what decides the proposals of a distribution: all but `valid`, which bounds what people type."""
    return {
        name: repr(each if isinstance(each, Categorical) else replace(each, valid="(-inf, inf)"))
        for name, each in sorted(space.items())
    }
