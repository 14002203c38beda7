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
    ratio_cells,
    run_all,
    settings,
)
from metaopt.configuration import Configuration

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


@dataclass(frozen=True)
class TaskLosses:
    """Training, validation and test losses on one task: of each trial, shape (trials, 3), and of each contender."""

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
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    starter, development = metaopt.load_corpus("starter"), development_corpus(options.data)
    kinds = judged_on(starter, development)
    recipes = {Path(name).name: metaopt.load_recipe(name) for name in options.recipe}
    plain = {
        **{name: (recipe.configuration, dict(recipe.theta or {})) for name, recipe in recipes.items()},
        "NadamW, cosine": (Configuration("nadamw", controller="cosine"), None),
        **{f"NadamW, constant {rate:g}": (constant(rate), None) for rate in RATES},
    }
    trials = settings("nadamw", options.trials, np.random.default_rng(options.seed))
    for kind, tasks in kinds.items():
        began, task_losses = time.perf_counter(), []
        for task in tasks[:2] if options.quick else tasks:
            task_losses.append(losses(by_loss(task), trials, plain, options))
            cells = " ".join(f"{row[0]:.3g}/{row[2]:.3g}" for row in task_losses[-1].contenders)
            best = task_losses[-1].trials
            print(
                f"  {task.name:24} best trial {best[:, 0].min():.3g}/{best[best[:, 1].argmin(), 2]:.3g}  {cells}",
                flush=True,
            )
        print(f"\n{kind}: {len(task_losses)} tasks, {(time.perf_counter() - began) / 60:.1f} min")
        report(task_losses, list(plain), options)


def constant(rate: float) -> Configuration:
    return Configuration("nadamw", controller="constant", hparams={"nadamw.lr": rate})


def losses(
    task: metaopt.Task, trials: tuple[Configuration, ...], plain: dict, options: argparse.Namespace
) -> TaskLosses:
    seeds, rows = range(options.seed + 1, options.seed + 1 + options.seeds), []
    for configuration, theta in plain.values():
        cells = np.asarray([three(curve) for curve in run_all(task, [configuration], theta, seeds)])
        rows.append([mean(cells[:, column]) for column in range(3)])
    tried = np.asarray([three(curve) for curve in run_all(task, trials, None, [options.seed])])
    floor = FLOOR * np.max(rows[len(options.recipe)])
    return TaskLosses(np.maximum(tried, floor), np.maximum(np.asarray(rows), floor))


def three(curve: metaopt.Curve) -> tuple[float, float, float]:
    return last_training(curve), *best_validation(curve)


def report(task_losses: list[TaskLosses], names: list[str], options: argparse.Namespace) -> None:
    """Ratios to the best of 20 trials, and trials worth, by training and by test loss."""
    head = "".join(f"{f'{part} loss / best of 20':>28}{'lower':>9}" for part in ("training", "test"))
    print(f"{'':28}{head}   trials worth, by either")
    by = {"training": (0, 0), "test": (1, 2)}
    tables = {
        label: np.asarray(
            [
                best_of(losses_of_task.trials[:, chosen], losses_of_task.trials[:, selected_by])
                for losses_of_task in task_losses
            ]
        )
        for label, (chosen, selected_by) in by.items()
    }
    for row, name in enumerate(names):
        logs = {
            label: np.log([losses_of_task.contenders[row, column] for losses_of_task in task_losses])
            for label, (_, column) in by.items()
        }
        twenty = min(20, options.trials) - 1
        cells = "".join(ratio_cells(logs[label] - tables[label][:, twenty]) for label in by)
        worth = " / ".join(worth_of(logs[label], tables[label]) for label in by)
        print(f"{name:28}{cells}   {worth}")
    print(flush=True)


def best_of(chosen: NDArray[np.float64], selected_by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected log-loss of the best of n of the trials, for n = 1 … all of them: over all subsets, shape (trials,)."""
    order, count = np.argsort(np.nan_to_num(chosen, nan=np.inf), kind="stable"), len(chosen)
    logs = np.log(np.minimum(np.nan_to_num(selected_by, nan=1e12, posinf=1e12), 1e12))[order]
    expected = np.empty(count)
    for n in range(1, count + 1):
        share, left = np.empty(count), 1.0
        for rank in range(count):
            # The best of n is of this rank: none of the better ones is among them, and this one is.
            here = min(1.0, n / (count - rank))
            share[rank], left = left * here, left * (1 - here)
        expected[n - 1] = share @ logs
    return expected


def worth_of(logs: NDArray[np.float64], table: NDArray[np.float64]) -> str:
    """The largest n whose best is no better on average over tasks, with a 95 % bootstrap interval."""
    draws = np.random.default_rng(0).integers(len(logs), size=(2000, len(logs)))
    worths = [trials_worth(logs[rows], table[rows]) for rows in [np.arange(len(logs)), *draws]]
    low, high = np.quantile(worths[1:], [0.025, 0.975])
    return f"{worths[0]} [{low:.0f}, {high:.0f}]"


def trials_worth(logs: NDArray[np.float64], table: NDArray[np.float64]) -> int:
    no_better = table.mean(0) >= logs.mean()
    return int(no_better.sum()) if no_better.any() else 0


if __name__ == "__main__":
    main()
