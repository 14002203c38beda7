"""Fine-tunings by recipes, one line of JSON each, so that what was trained is not trained again."""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

import metaopt
from metaopt.contracts import Curve
from metaopt.plugin.registry import current_registry
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.stopping.stopping import stop_index


@dataclass(frozen=True)
class Row:
    """A training: a line of the file of results.

    Attributes:
        task: its name.
        fingerprint: of the task.
        contender: `"adamw 5e-05"`, or a recipe.
        key: of configuration and stopper.
        seed: of new weights and batches.
        validation: loss of what is kept.
        test: likewise.
        step: at which it was validated, 0 for the weights that the training started from.
        steps: taken until the stopper said stop.
    """

    task: str
    fingerprint: str
    contender: str
    key: str
    seed: int
    validation: float
    test: float
    step: int
    steps: int

    @property
    def identity(self) -> tuple[str, str, int]:
        """What tells it from other trainings."""
        return self.fingerprint, self.key, self.seed


def trained(
    contenders: Mapping[str, metaopt.Recipe], tasks: Sequence[metaopt.Task], seeds: Sequence[int], results: Path
) -> list[Row]:
    """A row for each contender, task and seed; those that are not in the file yet are trained and appended to it.

    Args:
        contenders: by name.
        tasks: which are trained on one after the other, all contenders side by side.
        seeds: of new weights and batches.
        results: a file of JSON lines.
    """
    known = {row.identity: row for row in read(results)}
    rows: list[Row] = []
    for task in tasks:
        wanted = [
            (name, task.fingerprint, key_of(recipe), seed) for name, recipe in contenders.items() for seed in seeds
        ]
        missing = [(name, seed) for name, *identity, seed in wanted if (*identity, seed) not in known]
        for row in _train({name: contenders[name] for name, _ in missing}, task, sorted({seed for _, seed in missing})):
            if row.identity not in known:
                append(results, row)
                known[row.identity] = row
        rows += [replace(known[fingerprint, key, seed], contender=name) for name, fingerprint, key, seed in wanted]
    return rows


def read(results: Path) -> Iterator[Row]:
    """The trainings in a file; a last line that was cut off counts as none."""
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        try:
            yield Row(**json.loads(line))
        except (json.JSONDecodeError, TypeError):
            print(f"{results}: a line is no training and is left out: {line[:60]}", file=sys.stderr)


def append(results: Path, row: Row) -> None:
    """Add a line to the file."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with open(results, "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def key_of(recipe: metaopt.Recipe) -> str:
    """Of configuration and stopper."""
    stopper = "none" if recipe.stopper is None else json.dumps(recipe.stopper.to_json(), sort_keys=True)
    return f"{recipe.configuration.key} {stopper}"


def _train(contenders: Mapping[str, metaopt.Recipe], task: metaopt.Task, seeds: Sequence[int]) -> Iterator[Row]:
    if not contenders:
        return
    evaluator = Evaluator(Ledger("sqlite://"), current_registry(), compile="off")
    try:
        configurations = list(dict.fromkeys(recipe.configuration for recipe in contenders.values()))
        curves = evaluator.curves(configurations, [task], tuple(seeds))
    finally:
        evaluator.close()
    for seed in seeds:
        start = validated_start(task, seed)
        for name, recipe in contenders.items():
            yield _row(name, recipe, task, seed, with_start(curves[recipe.configuration.key, task.name, seed], start))


def _row(name: str, recipe: metaopt.Recipe, task: metaopt.Task, seed: int, curve: Curve) -> Row:
    stop = stop_index(curve, recipe.stopper, current_registry(), task.sign)
    best = curve.best_index(stop + 1)
    assert best is not None, "the start is finite"
    assert curve.test is not None
    losses = float(curve.values[best]), float(curve.test[best])
    return Row(
        task.name, task.fingerprint, name, key_of(recipe), seed, *losses, int(curve.steps[best]), int(curve.steps[stop])
    )


@torch.no_grad()
def validated_start(task: metaopt.Task, seed: int) -> tuple[float, float]:
    """Validation and test metric of the weights that a training starts from."""
    model, splits = task.build(seed).eval(), task.splits
    validation, test = (
        float(task.measure(model(part.inputs), part.targets)) for part in (splits.validation, splits.test)
    )
    return validation, test


def with_start(curve: Curve, start: tuple[float, float]) -> Curve:
    """The curve with a validation before the first step."""
    signals = {name: np.concatenate([[math.nan], series]) for name, series in curve.signals.items()}
    assert curve.test is not None
    steps, validation, test = (
        np.concatenate([[first], series])
        for first, series in zip((0.0, *start), (curve.steps, curve.values, curve.test), strict=True)
    )
    return Curve(steps, validation, curve.horizon, test, signals)
