"""A recipe at other rates, all of its optimizers' together."""

from dataclasses import replace
from numbers import Integral
from typing import Any

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.errors import InputError, quoted
from metaopt.plugin import Registry

#: By how much the best rate falls with planned steps where the recipe has no law: T^-1/4.
PRIOR = 0.25
#: As many octaves may a sweep reach to either side.
WIDEST = 20


def check_has_rate(assembly: Assembly) -> None:
    """InputError where there is no rate to look for."""
    if assembly.controller.absolute or not any(spec.has_lr for spec in assembly.optimizers):
        who = assembly.controller.name if assembly.controller.absolute else assembly.optimizer.name
        raise InputError(f"There is no rate to look for: {who!r} sets its own; take another recipe.")


def octaves_around(reach: Any) -> list[int]:
    """The octaves of a sweep, from `-reach` to `reach`.

    Raises:
        InputError: it is no whole number from 1 to `WIDEST`.
    """
    if not isinstance(reach, Integral) or isinstance(reach, bool) or not 1 <= int(reach) <= WIDEST:
        raise InputError(f"octaves must be a whole number from 1 to {WIDEST}, got {quoted(reach)}.")
    return list(range(-int(reach), int(reach) + 1))


def shifted(configuration: Configuration, octave: float, registry: Registry) -> Configuration:
    """The configuration with the rates of all its optimizers `2 ** octave` times as high."""
    assembly = assemble(configuration, registry)
    rates = {
        f"{spec.name}.lr": float(assembly.part(spec.name).rule_values["lr"]) * 2.0**octave
        for spec in assembly.optimizers
        if spec.has_lr
    }
    return replace(configuration, hparams={**configuration.hparams, **rates})


def exponent(configuration: Configuration) -> float:
    """How the best rate falls with planned steps, by the law of the recipe's own optimizer."""
    law = configuration.rate_law.get(configuration.optimizer)
    return PRIOR if law is None else law.exponents["total_steps"]
