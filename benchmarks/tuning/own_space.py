"""A task's own hyperparameters: joint search against the optimizer alone, and against plain Optuna, at equal trainings.

    python -m benchmarks.tuning.own_space [--trainings 40] [--seeds 5] [--boxes digits_mlp,digits_gru,...]
        [--results FILE,...]

Eight black boxes (`benchmarks.tuning.own_boxes`) train small models on scikit-learn's data; each has two to four
hyperparameters of its own, with the defaults that people begin with. Three ways to spend as many trainings on each,
finals and references counted:

- joint: `metaopt.tune`, the task's own hyperparameters beside the optimizer's;
- alone: `metaopt.tune` with the task's own at their defaults, starting from the shipped recipe, as joint does;
- optuna: TPE, one trial after the other, over AdamW's rate and weight decay, constant or cosine, and the task's own.

What each hands over is then trained with five fresh seeds. A study's seed draws the split, too, which the ways share.
Losses are Brier scores, or squared errors. Printed are mean log-ratios of test losses, ways in pairs on the same box
and split: below 0, joint is better; intervals are of the bootstrap over boxes, then over their seeds. The shipped
recipe was made on other tasks of some of these data. What is finished is kept in the first of the results' files, a
line of JSON each, and not done again.
"""

import argparse
import json
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch

import metaopt
from benchmarks.tuning.own_boxes import BOXES, Box, best, trained

#: Trainings of a study of one black box beside its candidates: the baseline's reference, and the finals of three
#: finalists and the baseline with three seeds each.
BESIDE = 13
FRESH_SEEDS = range(101, 106)
WAYS = ("joint", "alone", "optuna")


def task_of(name: str, box: Box, split: int, *, own: bool) -> metaopt.BlackBoxTask:
    train = partial(trained, box, split)
    usual = {key: distribution.default for key, distribution in box.space.items()}
    return metaopt.BlackBoxTask(
        name=name,
        family="boxes",
        train=train if own else partial(train, **usual),
        num_steps=box.steps,
        version=f"{split}",
        space=box.space if own else {},
    )


def tuned(name: str, box: Box, split: int, trainings: int, *, own: bool) -> tuple[metaopt.Recipe, dict[str, Any]]:
    usual = {key: distribution.default for key, distribution in box.space.items()}
    result = metaopt.tune(
        [task_of(name, box, split, own=own)],
        n_trials=trainings - BESIDE,
        seed=split,
        portfolio=1,
        start_from=None if own else "default",
        announce=lambda line: None,
    )
    spent = result.cost.evaluations + result.cost.reference_evaluations + result.cost.comparison_evaluations
    assert spent <= trainings, f"{spent} trainings"
    return result.recipe, {**usual, **result.recipe.values}


def by_optuna(box: Box, split: int, trainings: int) -> tuple[metaopt.Recipe, dict[str, Any]]:
    def objective(trial: optuna.Trial) -> float:
        values = {key: suggested(trial, key, distribution) for key, distribution in box.space.items()}
        recipe = metaopt.Recipe(
            metaopt.Configuration(
                "adamw",
                trial.suggest_categorical("schedule", ["constant", "cosine"]),
                hparams={
                    "adamw.lr": trial.suggest_float("lr", 1e-5, 1e-1, log=True),
                    "adamw.weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
                },
                values=values,
            )
        )
        trial.set_user_attr("recipe", recipe.configuration.to_json())
        return best(list(trained(box, split, recipe, 0, **values)))[0]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=split))
    study.optimize(objective, n_trials=trainings)
    found = metaopt.Recipe(metaopt.Configuration.from_json(study.best_trial.user_attrs["recipe"]))
    return found, dict(found.values)


def suggested(trial: optuna.Trial, name: str, distribution: Any) -> Any:
    if isinstance(distribution, metaopt.Float):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, metaopt.Int):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    return trial.suggest_categorical(name, list(distribution.choices))


def test_loss(box: Box, split: int, recipe: metaopt.Recipe, values: Mapping[str, Any]) -> float:
    """Geometric mean over fresh seeds."""
    losses = [best(list(trained(box, split, recipe, seed, **values)))[1] for seed in FRESH_SEEDS]
    return float(np.exp(np.mean(np.log(losses))))


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 %, of the bootstrap over boxes, then seeds within them; differences have shape (boxes, seeds)."""
    generator = np.random.default_rng(0)
    boxes, seeds = differences.shape
    means = []
    for _ in range(10_000):
        rows = generator.integers(boxes, size=(boxes, 1))
        means.append(differences[rows, generator.integers(seeds, size=(boxes, seeds))].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


class Results:
    """Log test losses by box, split and way, each computed once.

    Args:
        paths: files of JSON lines, the first of which is written to; none to keep nothing.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._path = paths[0] if paths else None
        lines = [line for path in paths if path.exists() for line in path.read_text().splitlines()]
        self._known: dict[tuple[Any, ...], tuple[float, float]] = {
            tuple(key): (loss, seconds) for *key, loss, seconds in map(json.loads, lines)
        }

    def of(self, name: str, split: int, way: str, trainings: int) -> tuple[float, float]:
        """Log test loss, and processor seconds."""
        key = (name, split, way, trainings)
        if key not in self._known:
            box, started = BOXES[name], time.process_time()
            found = (
                by_optuna(box, split, trainings)
                if way == "optuna"
                else tuned(name, box, split, trainings, own=way == "joint")
            )
            self._known[key] = math.log(test_loss(box, split, *found)), time.process_time() - started
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps([*key, *self._known[key]]) + "\n")
        return self._known[key]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trainings", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--boxes", default=",".join(BOXES))
    parser.add_argument("--results", type=lambda text: [Path(part) for part in text.split(",")], default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    results, names = Results(options.results), options.boxes.split(",")
    for split in range(options.seeds):  # what is broken off has as many seeds of each box
        for name in names:
            for way in WAYS:
                results.of(name, split, way, options.trainings)
    print(f"{options.trainings} trainings a way, {options.seeds} seeds; test loss, geometric mean over seeds\n")
    print(f"{'box':14s} " + " ".join(f"{way:>8s}" for way in WAYS) + "   processor s a training")
    logs: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for name in names:
        seconds = 0.0
        for way in WAYS:
            found = [results.of(name, split, way, options.trainings) for split in range(options.seeds)]
            logs[way].append([loss for loss, _ in found])
            seconds += sum(spent for _, spent in found)
        each = seconds / (len(WAYS) * options.seeds * (options.trainings + len(FRESH_SEEDS)))
        means = " ".join(f"{math.exp(np.mean(logs[way][-1])):8.4f}" for way in WAYS)
        print(f"{name:14s} {means}   {each:.2f}")
    print()
    for other in WAYS[1:]:
        print(f"joint against {other}: {compared(np.asarray(logs['joint']) - np.asarray(logs[other]))}")


def compared(differences: np.ndarray) -> str:
    """A sentence on log-ratios of shape (boxes, seeds)."""
    low, high = interval(differences)
    verdict = "ahead" if high < 0 else "behind" if low > 0 else "no difference shown"
    better = f"better on {(differences < 0).sum()} of {differences.size}"
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}] in log test loss, {better}: {verdict}"


if __name__ == "__main__":
    main()
