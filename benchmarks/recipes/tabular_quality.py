"""What one recipe, and a portfolio of five, are worth on tables that tuning did not see, in random trials of their own.

    python -m benchmarks.recipes.tabular_quality [--n-trials 200] [--folds 4] [--portfolio 5] [--storage URL]
        [--workers 1] [--seeds 3] [--data ../shared/data/tabular] [--tasks a,b,…] [--json]

19 classifications and regressions; whole tasks are held out: each fold has a search of its own on the other tasks. On a
held-out task the recipe gets one run. A portfolio of k is k runs, of its first k recipes, the one with the best
validation value being kept; `selected` is one run of the recipe that `portfolio.select` picks for the task. A random
trial is one run of AdamW or NAdamW with everything drawn at random; n trials keep the best by validation. All numbers
are test scores at the best validation: 0 is AdamW at 1e-3, 1 the best of 32 random trials, each with three seeds; of
the runs, the mean over `--seeds` other seeds. Intervals are 95 % bootstraps over tasks.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import metaopt
from benchmarks.tuning.memory import PeakMemory
from metaopt.plugin.registry import current_registry
from metaopt.tuning.judging.comparison import Comparison, Contender, contender_named
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.held_out import Fold, folds
from metaopt.tuning.judging.references import DEFAULT_BASELINE, POOL_SIZE, References, references
from metaopt.tuning.judging.statistics import Interval, TrialsWorth, bootstrap, trials_worth
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.portfolio import Portfolio
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.seeds import REPORT_SEEDS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular"
DEFAULT = "adamw"
#: Random trials that the recipe and the portfolio shall be worth, and how far below the default no task may fall.
REACH = {"single": 10.0, "portfolio": 30.0, "below_default": 0.05}


@dataclass(frozen=True)
class Row:
    """Scores of a recipe or portfolio on all held-out tasks.

    Attributes:
        name: name in the table.
        mean: mean test score over tasks.
        median: median test score over tasks.
        worth: random trials of a task's own whose mean score is as good.
        worth_by_median: random trials whose median score is as good.
    """

    name: str
    mean: Interval
    median: float
    worth: TrialsWorth
    worth_by_median: float

    def __str__(self) -> str:
        by_median = f"> {POOL_SIZE}" if self.worth_by_median > POOL_SIZE else f"{self.worth_by_median:.1f}"
        return f"{self.name:16}{self.mean!s:>26}{self.median:9.3f}{self.worth!s:>24}{by_median:>10}"


def held_out_comparison(
    evaluator: Evaluator, fold: Fold, known: References, recipes: Sequence[metaopt.Recipe], num_seeds: int
) -> Comparison:
    """The portfolio's recipes, each by its place from 1, and the default, on the fold's held-out tasks."""
    contenders = [Contender.of(recipe, str(place)) for place, recipe in enumerate(recipes, start=1)]
    seeds = [REPORT_SEEDS[0] + index for index in range(num_seeds)]
    return compare(evaluator, fold.held_out, known, [*contenders, contender_named(DEFAULT)], seeds=seeds)


def best_of_first(comparison: Comparison, count: int, corpus: metaopt.Corpus) -> pd.Series:
    """Test score by task, mean over seeds, of the best by validation among the first recipes."""
    runs = comparison.runs[comparison.runs["contender"].isin([str(place) for place in range(1, count + 1)])].copy()
    runs["order"] = [
        corpus[task].sign * value if math.isfinite(value) else math.inf
        for task, value in zip(runs["task"], runs["validation"], strict=True)
    ]
    best = runs.loc[runs.groupby(["task", "seed"], sort=False)["order"].idxmin()]
    return best.groupby("task", sort=False)["test_score"].mean()


def worth_by_median(scores: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Fewest random trials, interpolated, whose median over tasks reaches the scores'; beyond the pool, one more."""
    reached, score = np.median(expected, axis=0), float(np.median(scores))
    above = np.flatnonzero(reached >= score)
    if len(above) == 0:
        return float(len(reached) + 1)
    n = int(above[0])
    return 1.0 if n == 0 else float(n + (score - reached[n - 1]) / (reached[n] - reached[n - 1]))


def row(name: str, scores: pd.Series, comparison: Comparison) -> Row:
    """Scores by task, summarised."""
    family = dict(zip(comparison.runs["task"], comparison.runs["family"], strict=True))
    families = [family[task] for task in scores.index]
    expected = np.stack([comparison.expected[task] for task in scores.index])
    values = scores.to_numpy()
    return Row(
        name=name,
        mean=bootstrap(values, families, lambda drawn: float(np.mean(drawn))),
        median=float(np.median(values)),
        worth=trials_worth(values, expected, families),
        worth_by_median=worth_by_median(values, expected),
    )


def tune_fold(corpus: metaopt.Corpus, fold: Fold, options: argparse.Namespace) -> Portfolio:
    """The portfolio of the fold's own search."""
    result = metaopt.tune(
        corpus.subset(fold.tuning, f"{corpus.name}, {fold.name}"),
        n_trials=options.n_trials,
        seed=options.seed,
        portfolio=options.portfolio,
        storage=options.storage,
        study_name=f"tabular/{fold.name}",
        against=(DEFAULT,),
        workers=options.workers,
        announce=lambda line: print(f"{fold.name}: {line}", flush=True),
    )
    for place, recipe in enumerate(result.portfolio, start=1):
        print(f"{fold.name}: {place}. {recipe.name} {dict(recipe.configuration.hparams)}", flush=True)
    gain = result.portfolio.selection_gain
    print(f"{fold.name}: choosing by features would gain {gain:+.3f} on its own tasks, each left out", flush=True)
    return result.portfolio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of CSVs")
    parser.add_argument("--tasks", help="some of them, separated by commas")
    parser.add_argument("--n-trials", type=int, default=200, help="candidates of each fold's search")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--portfolio", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each held-out task and recipe")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--storage", default="sqlite:///out/tabular.db", help="database URL; the same one resumes")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        with PeakMemory() as memory:
            merged, corpus, chosen = measured(options)
    except metaopt.MetaOptError as error:
        sys.exit(str(error))
    rows = summarised(merged, corpus, options.portfolio, chosen)
    tasks = by_task(merged, corpus, options.portfolio, chosen)
    trials = {
        n: float(np.mean([scores[n - 1] for scores in merged.expected.values()])) for n in (1, 2, 4, 8, 16, POOL_SIZE)
    }
    print(f"\n{len(corpus)} tables, each held out once in {options.folds} folds; {options.n_trials} candidates a fold")
    show(rows, tasks, trials)
    minutes = (time.perf_counter() - started) / 60
    print(f"this call {minutes:.1f} min, peak memory {memory.gib:.2f} GiB")
    if options.json:
        report = {
            "rows": [asdict(table_row) for table_row in rows],
            "by_task": json.loads(tasks.to_json(orient="index")),
        }
        command = {"n_trials": options.n_trials, "folds": options.folds, "seed": options.seed}
        print(json.dumps({**command, **report, "random_trials": trials, "reach": REACH, "minutes": minutes}))


def measured(options: argparse.Namespace) -> tuple[Comparison, metaopt.Corpus, dict[str, int]]:
    """All folds' comparisons as one, and the place in its fold's portfolio of the recipe selected for each task."""
    corpus = metaopt.load_corpus(options.data)
    if options.tasks:
        corpus = corpus.subset([corpus[name] for name in options.tasks.split(",")])
    if options.storage.startswith("sqlite:///"):
        Path(options.storage.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    divided = folds(corpus, options.folds)
    portfolios = [tune_fold(corpus, fold, options) for fold in divided]
    evaluator = Evaluator(Ledger(options.storage), current_registry())
    try:
        known = references(evaluator, corpus.tasks, DEFAULT_BASELINE)
        parts = [
            held_out_comparison(evaluator, fold, known, recipes, options.seeds)
            for fold, recipes in zip(divided, portfolios, strict=True)
        ]
    finally:
        evaluator.close()
    chosen = {
        task.name: 1 + portfolio.recipes.index(portfolio.select(task))
        for fold, portfolio in zip(divided, portfolios, strict=True)
        for task in fold.held_out
        if isinstance(task, metaopt.Task)
    }
    return Comparison.merged(parts), corpus, chosen


def selected(comparison: Comparison, chosen: Mapping[str, int]) -> pd.Series:
    """Test score by task, mean over seeds, of the recipe at the chosen place."""
    scores = {place: comparison.task_scores(str(place)) for place in set(chosen.values())}
    return pd.Series({task: scores[place][task] for task, place in chosen.items()})


def summarised(merged: Comparison, corpus: metaopt.Corpus, size: int, chosen: Mapping[str, int]) -> list[Row]:
    """The default, the recipe, the selected recipes, and the first k recipes."""
    names = {count: "recipe" if count == 1 else f"portfolio of {count}" for count in range(1, size + 1)}
    first = [row(name, best_of_first(merged, count, corpus), merged) for count, name in names.items()]
    selected_row = row("selected", selected(merged, chosen), merged)
    return [row("AdamW 1e-3", merged.task_scores(DEFAULT), merged), first[0], selected_row, *first[1:]]


def by_task(merged: Comparison, corpus: metaopt.Corpus, size: int, chosen: Mapping[str, int]) -> pd.DataFrame:
    """Test scores task by task, those first on which the recipe falls furthest behind the default."""
    recipe, default = best_of_first(merged, 1, corpus), merged.task_scores(DEFAULT)
    columns = {
        "recipe": recipe,
        "selected": selected(merged, chosen),
        "default": default,
        "portfolio": best_of_first(merged, size, corpus),
    }
    columns["error"] = np.hypot(*(seed_error(merged, name) for name in ("1", DEFAULT)))
    return pd.DataFrame({**columns, "behind": default - recipe}).sort_values("behind", ascending=False)


def seed_error(comparison: Comparison, contender: str) -> pd.Series:
    """Standard error over seeds of the contender's mean test score, by task."""
    runs = comparison.runs[comparison.runs["contender"] == contender].groupby("task", sort=False)["test_score"]
    return runs.std() / np.sqrt(runs.count())


def show(rows: Sequence[Row], tasks: pd.DataFrame, trials: dict[int, float]) -> None:
    print(f"\n{'':16}{'mean test score':>26}{'median':>9}{'random trials (mean)':>24}{'(median)':>10}")
    print("\n".join(str(table_row) for table_row in rows))
    print(f"\nbest of n random trials, mean: {', '.join(f'{n}: {score:.3f}' for n, score in trials.items())}")
    print(f"\n{tasks.to_string(float_format=lambda value: f'{value:.3f}')}")
    gain = tasks["selected"] - tasks["recipe"]
    changed = int((gain != 0).sum())
    interval = bootstrap(gain.to_numpy(), ["tables"] * len(gain), lambda drawn: float(np.mean(drawn)))
    print(f"\nselected minus recipe: {interval}; another recipe was selected for {changed} of {len(tasks)} tasks")
    below = tasks["behind"] > REACH["below_default"]
    sure = below & (tasks["behind"] > 2 * tasks["error"])
    print(
        f"\nMore than {REACH['below_default']} below the default: {below.sum()} of {len(tasks)} tasks (reach: none), "
        f"{sure.sum()} of them by more than two standard errors over seeds. "
        f"Reach of the worth: recipe {REACH['single']:.0f}, portfolio of 5 {REACH['portfolio']:.0f} random trials."
    )


if __name__ == "__main__":
    main()
