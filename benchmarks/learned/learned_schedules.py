"""How many tuning trials one run under a learned schedule is worth, on tasks it was never meta-trained on.

    python -m benchmarks.learned.learned_schedules [--trials 64] [--seeds 3] [--seed 0] [--quick]
        [--recipe learned_schedule …] [--data ../shared/data]

NadamW gets `--trials` random settings on every task (rate, weight decay; constant, linear, cosine, wsd). The best of n
of them, chosen by validation loss for the test loss and by training loss for the training loss, is computed for every n
over all subsets, and compared with one run of each learned wrapper around NadamW at its defaults: one setting for all
tasks. A wrapper is worth n trials where the mean over tasks of the logarithm of its loss is that of the best of n;
intervals are bootstraps over tasks. Beside them NadamW at its defaults under cosine, and at constant rates.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import metaopt
from benchmarks.corpora.development_corpus import DATA, development_corpus
from benchmarks.learned.learned_quality import (
    FLOOR,
    best_validation,
    by_loss,
    judged_on,
    last_training,
    mean,
    run_all,
    settings,
    told,
)
from metaopt.configuration.configuration import Configuration

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


@dataclass(frozen=True)
class Found:
    """Of one task: losses of each trial, shape (trials, 3): training, validation, test; and of each contender."""

    trials: NDArray[np.float64]
    contenders: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--recipe", nargs="*", default=["learned_schedule", "hyper_controller"], help="names or folders"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3, help="of the learned ones' runs, whose mean counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two tasks of each kind, to see that it works")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    starter, other = metaopt.load_corpus("starter"), development_corpus(given.data)
    kinds = judged_on(starter, other)
    recipes = {Path(name).name: metaopt.load_recipe(name) for name in given.recipe}
    plain = {
        **{name: (recipe.configuration, dict(recipe.theta or {})) for name, recipe in recipes.items()},
        "NadamW, cosine": (Configuration("nadamw", controller="cosine"), None),
        **{f"NadamW, constant {rate:g}": (constant(rate), None) for rate in RATES},
    }
    trials = settings("nadamw", given.trials, np.random.default_rng(given.seed))
    for kind, tasks in kinds.items():
        began, found = time.perf_counter(), []
        for task in tasks[:2] if given.quick else tasks:
            found.append(losses(by_loss(task), trials, plain, given))
            cells = " ".join(f"{one[0]:.3g}/{one[2]:.3g}" for one in found[-1].contenders)
            best = found[-1].trials
            print(
                f"  {task.name:24} best trial {best[:, 0].min():.3g}/{best[best[:, 1].argmin(), 2]:.3g}  {cells}",
                flush=True,
            )
        print(f"\n{kind}: {len(found)} tasks, {(time.perf_counter() - began) / 60:.1f} min")
        report(found, list(plain), given)


def constant(rate: float) -> Configuration:
    return Configuration("nadamw", controller="constant", hparams={"nadamw.lr": rate})


def losses(task: metaopt.Task, trials: tuple[Configuration, ...], plain: dict, given: argparse.Namespace) -> Found:
    seeds, rows = range(given.seed + 1, given.seed + 1 + given.seeds), []
    for configuration, theta in plain.values():
        cells = np.asarray([three(one) for one in run_all(task, [configuration], theta, seeds)])
        rows.append([mean(cells[:, column]) for column in range(3)])
    tried = np.asarray([three(one) for one in run_all(task, trials, None, [given.seed])])
    floor = FLOOR * np.max(rows[len(given.recipe)])
    return Found(np.maximum(tried, floor), np.maximum(np.asarray(rows), floor))


def three(curve: metaopt.Curve) -> tuple[float, float, float]:
    return last_training(curve), *best_validation(curve)


def report(found: list[Found], names: list[str], given: argparse.Namespace) -> None:
    """Ratios to the best of 20 trials, and trials worth, by training and by test loss."""
    head = "".join(f"{f'{part} loss / best of 20':>28}{'lower':>9}" for part in ("training", "test"))
    print(f"{'':28}{head}   trials worth, by either")
    by = {"training": (0, 0), "test": (1, 2)}
    tables = {
        label: np.asarray([best_of(one.trials[:, chosen], one.trials[:, told_by]) for one in found])
        for label, (chosen, told_by) in by.items()
    }
    for row, name in enumerate(names):
        logs = {label: np.log([one.contenders[row, column] for one in found]) for label, (_, column) in by.items()}
        twenty = min(20, given.trials) - 1
        cells = "".join(told(logs[label] - tables[label][:, twenty]) for label in by)
        worth = " / ".join(worth_of(logs[label], tables[label]) for label in by)
        print(f"{name:28}{cells}   {worth}")
    print(flush=True)


def best_of(chosen: NDArray[np.float64], told_by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected log-loss of the best of n of the trials, for n = 1 … all of them: over all subsets, shape (trials,)."""
    order, count = np.argsort(np.nan_to_num(chosen, nan=np.inf), kind="stable"), len(chosen)
    logs = np.log(np.minimum(np.nan_to_num(told_by, nan=1e12, posinf=1e12), 1e12))[order]
    found = np.empty(count)
    for n in range(1, count + 1):
        share, left = np.empty(count), 1.0
        for rank in range(count):
            # The best of n is of this rank: none of the better ones is among them, and this one is.
            here = min(1.0, n / (count - rank))
            share[rank], left = left * here, left * (1 - here)
        found[n - 1] = share @ logs
    return found


def worth_of(logs: NDArray[np.float64], table: NDArray[np.float64]) -> str:
    """The largest n whose best is no better on average over tasks, with a 95 % bootstrap interval."""
    draws = np.random.default_rng(0).integers(len(logs), size=(2000, len(logs)))
    found = [trials_worth(logs[rows], table[rows]) for rows in [np.arange(len(logs)), *draws]]
    low, high = np.quantile(found[1:], [0.025, 0.975])
    return f"{found[0]} [{low:.0f}, {high:.0f}]"


def trials_worth(logs: NDArray[np.float64], table: NDArray[np.float64]) -> int:
    no_better = table.mean(0) >= logs.mean()
    return int(no_better.sum()) if no_better.any() else 0


if __name__ == "__main__":
    main()
