"""What a recipe's law makes of its rate for a model, and what is said about it."""

import logging
from dataclasses import dataclass
from typing import final

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import ANCHOR, RateLaw, Scale
from metaopt.errors import InputError, quoted
from metaopt.plugin import Registry

_LOGGER = logging.getLogger("metaopt")
_WORDS = {"parameters": "the parameters", "batch_size": "the batch", "total_steps": "the steps"}


@final
@dataclass(frozen=True)
class ScaledRate:
    """The rate of one optimizer for a training of some size.

    Attributes:
        optimizer: its name.
        rate: of this training.
        law: of this optimizer.
        scale: of the training.
    """

    optimizer: str
    rate: float
    law: RateLaw
    scale: Scale

    @property
    def lr(self) -> float:
        """What the recipe states, the rate of a training of the anchor's size."""
        return self.rate / self.law.factor(self.scale)

    def __str__(self) -> str:
        """`rate 0.0289 → 0.0078: 97 × the parameters, 1.7 × the steps`, all as multiples of the anchor."""
        parts = [f"{_shown(times)} × {_WORDS[axis]}" for axis, times in self.scale.factors().items() if times != 1]
        unknown = [axis for axis, value in vars(self.scale).items() if value is None and self.law.exponents[axis]]
        counted = ", ".join(f"{axis} {ANCHOR[axis]:,.0f}" for axis in unknown)
        return (
            f"rate {self.lr:.3g} → {self.rate:.3g}: {', '.join(parts) or 'the size it is stated for'}"
            f"{f' (not given, so counted as {counted})' if counted else ''}"
        )


def scaled_rates(assembly: Assembly, scale: Scale) -> list[ScaledRate]:
    """Of each optimizer whose law is not flat; `assembly` was made for this scale."""
    return [
        ScaledRate(name, float(assembly.part(name).rule_values["lr"]), law, scale)
        for name, law in assembly.configuration.rate_law.items()
        if any(law.exponents.values())
    ]


def peak_rate(configuration: Configuration, scale: Scale, optimizer: str | None, registry: Registry) -> float:
    """What `Recipe.rate_at` returns; raises what that raises."""
    known = configuration.optimizers
    if optimizer is not None and optimizer not in known:
        raise InputError(f"optimizer must be one of {', '.join(known)}, got {quoted(optimizer)}.")
    assembly = assemble(configuration, registry, scale)
    part = assembly if optimizer is None else assembly.part(optimizer)
    if "lr" not in part.rule_values:
        raise InputError(f"{part.optimizer.name!r} has no lr, so that there is no rate to tell.")
    return float(part.rule_values["lr"])


def line_of(rates: list[ScaledRate]) -> str:
    """One line about all of them; empty where there are none."""
    if len(rates) == 1:
        return str(rates[0])
    return "; ".join(f"{own.optimizer}: {own}" for own in rates)


def log(rates: list[ScaledRate]) -> None:
    """Tell the logger `metaopt`."""
    if rates:
        _LOGGER.info("%s", line_of(rates))


def _shown(times: float) -> str:
    return f"{times:,.0f}" if times >= 10 else f"{times:.2g}"
