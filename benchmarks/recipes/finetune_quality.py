"""What recipes are worth on fine-tunings that no recipe was made on, in trials of a grid of AdamW's rates.

    python -m benchmarks.corpora.finetuning --pretrain           # once: the weights
    python -m benchmarks.recipes.finetune_quality [--recipe finetune --recipe default …] [--seeds 3] [--tasks a,b,…]
        [--results out/finetune_quality.jsonl] [--json]

The grid is what people try: AdamW at six rates, 5 % warm-up and linear decay. Every training, of recipe and grid,
counts by its test loss at the best validation, where a recipe's stopper has its say and the weights that the training
started from are a candidate too. A recipe is worth n grid trials if its test loss, in the geometric mean over tasks,
is that of the best of n random rates of the grid by their validation loss; the interval is a bootstrap over tasks.
What is in the file of results is not trained again: a line for each training, by the task's fingerprint.
"""

import argparse
import json
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import metaopt
from benchmarks.corpora.development_corpus import DATA
from benchmarks.corpora.finetuning import HELD_OUT, finetunings
from benchmarks.corpora.pretrained_models import WEIGHTS
from benchmarks.recipes.finetune_runs import Row, trained

RATES = (1e-5, 3e-5, 5e-5, 1e-4, 3e-4, 1e-3)
#: The rate that fine-tunings are mostly begun with, and how far behind it nobody may be.
USUAL, TOLERANCE = 5e-5, 0.02
#: Seeds that no search uses.
FIRST_SEED = 5_000
RESULTS = Path("out") / "finetune_quality.jsonl"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """A recipe against the grid.

    Attributes:
        recipe: its name.
        worth: grid trials; beyond the grid, one more than it has rates.
        interval: of that, 95 %.
        ratio: geometric mean over tasks of its test loss over that of the grid's best by validation.
        behind: tasks on which its mean test loss is more than 2 % above that of AdamW at 5e-5.
        worst: the largest test loss over that of AdamW at 5e-5, over tasks.
    """

    recipe: str
    worth: float
    interval: tuple[float, float]
    ratio: float
    behind: tuple[str, ...]
    worst: float


def grid() -> dict[str, metaopt.Recipe]:
    """AdamW at each rate, by name."""
    return {
        f"adamw {rate:g}": metaopt.Recipe.create(
            metaopt.Configuration("adamw", "linear", hparams={"adamw.lr": rate, "linear.warmup": 0.05})
        )
        for rate in RATES
    }


def expected_logs(rows: Sequence[Row], tasks: Sequence[str]) -> Floats:
    """Mean log test loss of the best by validation of n random rates of the grid, shape (tasks, rates)."""
    table = np.empty((len(tasks), len(RATES)))
    for index, task in enumerate(tasks):
        losses = [[row for row in rows if row.task == task and row.contender == name] for name in grid()]
        for count in range(1, len(RATES) + 1):
            chosen = [
                min(pick, key=lambda row: row.validation).test
                for some in combinations(losses, count)
                for pick in zip(*some, strict=True)
            ]
            table[index, count - 1] = np.mean(np.log(chosen))
    return table


def logs(rows: Sequence[Row], contender: str, tasks: Sequence[str]) -> Floats:
    """Mean log test loss of a contender on each task."""
    return np.asarray(
        [
            np.mean([math.log(row.test) for row in rows if (row.task, row.contender) == (task, contender)])
            for task in tasks
        ]
    )


def worth(mine: Floats, expected: Floats) -> float:
    """Fewest grid trials, interpolated, whose mean log loss over tasks is as low; beyond the grid, one more."""
    reached, score = expected.mean(0), float(mine.mean())
    below = np.flatnonzero(reached <= score)
    if len(below) == 0:
        return float(len(reached) + 1)
    n = int(below[0])
    return 1.0 if n == 0 else float(n + (reached[n - 1] - score) / (reached[n - 1] - reached[n]))


def verdict(rows: Sequence[Row], recipe: str, tasks: Sequence[str]) -> Verdict:
    """What a recipe is worth on the tasks."""
    expected, mine, usual = expected_logs(rows, tasks), logs(rows, recipe, tasks), logs(rows, f"adamw {USUAL:g}", tasks)
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(tasks), size=len(tasks)) for _ in range(2_000)]
    low, high = np.quantile([worth(mine[some], expected[some]) for some in drawn], (0.025, 0.975))
    ratios = np.exp(mine - usual)
    return Verdict(
        recipe,
        worth(mine, expected),
        (float(low), float(high)),
        float(np.exp((mine - expected[:, -1]).mean())),
        tuple(task for task, ratio in zip(tasks, ratios, strict=True) if ratio > 1 + TOLERANCE),
        float(ratios.max()),
    )


def show(rows: Sequence[Row], contenders: Sequence[str], tasks: Sequence[str]) -> None:
    """A line for each task with the test losses of all, marked with * where nothing was better than the start."""
    width = max(map(len, contenders)) + 2
    print(f"{'test loss':24}" + "".join(f"{name:>{width}}" for name in contenders))
    for task in tasks:
        cells = []
        for name in contenders:
            mine = [row for row in rows if (row.task, row.contender) == (task, name)]
            start = "*" if all(row.step == 0 for row in mine) else ""
            cells.append(f"{start}{math.exp(np.mean([math.log(row.test) for row in mine])):.4f}")
        print(f"{task:24}" + "".join(f"{cell:>{width}}" for cell in cells))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", action="append", help="a recipe's name or folder; may be given again")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--tasks", help="some of the held-out fine-tunings, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each contender on each task")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a file of JSON lines, which is gone on from")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    began = time.perf_counter()
    corpus = finetunings(HELD_OUT, "held_out_finetuning", options.data, options.weights)
    chosen = options.tasks.split(",") if options.tasks else [task.name for task in corpus]
    tasks: list[Any] = [corpus[name] for name in chosen]
    recipes = {name: metaopt.load_recipe(name) for name in options.recipe or ["default"]}
    contenders = {**grid(), **recipes}
    rows = trained(contenders, tasks, range(FIRST_SEED, FIRST_SEED + options.seeds), options.results)
    print(f"{len(chosen)} fine-tunings, {options.seeds} seeds; * the weights that training started from")
    show(rows, list(contenders), chosen)
    verdicts = [verdict(rows, name, chosen) for name in contenders if name != f"adamw {USUAL:g}"]
    print(f"\n{'':24}{'grid trials':>22}{'over best of 6':>16}{'worst over 5e-5':>17}  behind 5e-5 by more than 2 %")
    for each in verdicts:
        trials = f"{each.worth:.1f} [{each.interval[0]:.1f}, {each.interval[1]:.1f}]"
        behind = ", ".join(each.behind) or "nowhere"
        print(f"{each.recipe:24}{trials:>22}{each.ratio:>16.3f}{each.worst:>17.3f}  {behind}")
    print(f"this call {(time.perf_counter() - began) / 60:.1f} min")
    if options.json:
        print(json.dumps({"tasks": chosen, "seeds": options.seeds, "verdicts": [asdict(each) for each in verdicts]}))


if __name__ == "__main__":
    try:
        main()
    except metaopt.MetaOptError as error:
        raise SystemExit(str(error)) from None
