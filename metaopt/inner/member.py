"""One run among many: a configuration and a seed."""

from dataclasses import dataclass

from metaopt.configuration import Assembly


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a population.

    Attributes:
        assembly: the configuration it trains with.
        seed: of its initial weights and its batches.
    """

    assembly: Assembly
    seed: int
