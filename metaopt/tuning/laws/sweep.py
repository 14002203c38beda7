"""Sweeps of rates over a ladder, around what a law gives."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import AXES, AnyTask, RateLaw, Task
from metaopt.plugin import Registry
from metaopt.tuning.judging.references import final_value
from metaopt.tuning.laws.fit import FEWEST, VARIES, BestRate, FittedLaw, fitted
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.request import scale_at
from metaopt.tuning.seeds import RACE_SEED

#: Rates of a sweep, in octaves around the law's.
OCTAVES = (-2, -1, 0, 1, 2)


def ladder(tasks: Sequence[AnyTask]) -> list[Task]:
    """Tasks of families in which parameters, batch or steps vary by at least four times.

    Empty where fewer than three families do: no fit could be judged by families that are left out.
    """
    supervised = [task for task in tasks if isinstance(task, Task)]
    families: dict[str, list[Task]] = {}
    for task in supervised:
        families.setdefault(task.family, []).append(task)
    climbing = {name for name, own in families.items() if _climbs(own)}
    return [task for task in supervised if task.family in climbing and len(climbing) >= FEWEST]


def with_fitted_law(
    configuration: Configuration, tasks: Sequence[AnyTask], evaluator: Evaluator
) -> tuple[Configuration, dict[str, FittedLaw]]:
    """The configuration with laws fitted to sweeps of its rates on a ladder, and what was fitted, by optimizer.

    An optimizer's law changes only where the fit wins in families that were left out; its `lr` then changes too, so
    that the mean rate of the ladder's tasks stays as it was. Without a ladder nothing is trained.

    Args:
        configuration: what was found.
        tasks: of the study.
        evaluator: runs what is missing.
    """
    climbed = ladder(tasks)
    found: dict[str, FittedLaw] = {}
    if not climbed:
        return configuration, found
    for name in _with_rates(configuration, evaluator):
        prior = configuration.rate_law.get(name, RateLaw(0.0, 0.0, 0.0))
        rates = list(_best_rates(configuration, name, prior, climbed, evaluator))
        if rates:  # or all of them diverged on all tasks
            found[name] = fitted(rates, prior)
    return _changed(configuration, found, evaluator), found


def sweep_variants(configuration: Configuration, name: str, registry: Registry) -> list[Configuration]:
    """The configuration with the rates of an optimizer's sweep."""
    lr = float(assemble(configuration, registry).part(name).rule_values["lr"])
    return [
        replace(configuration, hparams={**configuration.hparams, f"{name}.lr": lr * 2.0**octave}) for octave in OCTAVES
    ]


def sweep_trainings(tasks: Sequence[AnyTask], optimizers: int = 1) -> int:
    """Trainings that the sweeps of so many optimizers cost; one rate was trained in the race."""
    return len(ladder(tasks)) * (len(OCTAVES) - 1) * optimizers


def _climbs(tasks: Sequence[Task]) -> bool:
    sizes = [[getattr(task.scale, axis) for axis in AXES] for task in tasks]
    return bool((np.ptp(np.log2(sizes), axis=0) >= math.log2(VARIES) - 1e-9).any())


def _with_rates(configuration: Configuration, evaluator: Evaluator) -> list[str]:
    """Optimizers whose rate a law may act on."""
    assembly = assemble(configuration, evaluator.registry)
    if assembly.controller.absolute or any(spec.sets_rate for spec in assembly.wrappers):
        return []
    return [spec.name for spec in assembly.optimizers if spec.rate == "rate"]


def _best_rates(
    configuration: Configuration, name: str, prior: RateLaw, tasks: Sequence[Task], evaluator: Evaluator
) -> Iterator[BestRate]:
    lr = float(assemble(configuration, evaluator.registry).part(name).rule_values["lr"])
    variants = sweep_variants(configuration, name, evaluator.registry)
    curves = evaluator.curves(variants, tasks, (RACE_SEED,))
    for task in tasks:
        values = [final_value(curves[variant.key, task.name, RACE_SEED]) for variant in variants]
        if np.isfinite(values).any():
            scale = scale_at(task, configuration.values, task.scale)
            rate = math.log2(lr * prior.factor(scale)) + lowest(values)
            yield BestRate(task.family, scale, rate)


def lowest(values: Sequence[float]) -> float:
    """Where, in octaves, the parabola through the least of a sweep's values and its neighbours is lowest."""
    known = np.where(np.isfinite(values), values, np.inf)
    place = int(np.argmin(known))
    if not 0 < place < len(known) - 1 or not np.isfinite(known[place - 1 : place + 2]).all():
        return float(OCTAVES[place])
    left, middle, right = known[place - 1 : place + 2]
    curvature = left - 2 * middle + right
    return OCTAVES[place] + (float(0.5 * (left - right) / curvature) if curvature > 0 else 0.0)


def _changed(configuration: Configuration, found: Mapping[str, FittedLaw], evaluator: Evaluator) -> Configuration:
    assembly, laws, hparams = assemble(configuration, evaluator.registry), dict(configuration.rate_law), {}
    for name, own in found.items():
        if own.wins or name in laws:
            laws[name] = own.law
        if own.wins:
            hparams[f"{name}.lr"] = float(assembly.part(name).rule_values["lr"]) * 2.0**own.shift
    return replace(configuration, rate_law=laws, hparams={**configuration.hparams, **hparams})
