"""What a recipe of the starter corpus buys on tasks that tuning did not see, beside what others would have used.

    python -m benchmarks.recipes.quality [--n-trials 100] [--folds 5] [--seed 0] [--workers 1] [--storage URL] [--json]

Every task is held out once (5-fold over tasks). A contender gets one run a task, as a user would give it; the table has
the mean over three such runs with other seeds. Test splits were seen by neither tuning nor stopping nor the choice of a
checkpoint. Peers run at the defaults of their plugins with the same weights, batches and budget. Peak memory is that of
this process and its workers together. With --storage what was computed before is reused, and the wall-clock time is
that of this call alone.
"""

import argparse
import json
import math
import sys
import time

import metaopt
from benchmarks.tuning.memory import PeakMemory
from metaopt.tuning.judging.comparison import Comparison
from metaopt.tuning.judging.statistics import Interval
from metaopt.tuning.result import TuneResult

PEERS = {
    "adamw": "AdamW 1e-3",
    "adamw+cosine": "AdamW, cosine",
    "schedulefree_adamw": "Schedule-Free",
    "prodigy": "Prodigy",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="starter")
    parser.add_argument("--n-trials", type=int, default=100)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--storage", help="database URL; in memory if left out")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    try:
        result, seconds, peak = tuned(options)
    except metaopt.MetaOptError as error:
        sys.exit(str(error))
    rows = against_peers(result.comparison)
    tasks, families = len(result.corpus), len(result.corpus.families)
    print(f"\n{options.corpus}: {tasks} tasks of {families} families, each held out once in {options.folds} folds;")
    print(f"{options.n_trials} candidates a study, seed {options.seed}\n")
    print(result.comparison.table().to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"\nrecipe         {result.comparison.interval('recipe')}")
    print("\n".join(str(row["sentence"]) for row in rows))
    print(f"\n{result.comparison.summary()}")
    print(f"\nWhere it falls furthest behind:\n{result.comparison.worst_tasks(5).to_string(index=False)}")
    print(f"\nrecipe of all tasks: {result.recipe.name}")
    print(f"cost: {result.cost}")
    print(f"wall-clock {seconds / 60:.1f} min, peak memory {peak:.2f} GiB")
    if options.json:
        print(json.dumps(report(result, rows, options, seconds, peak)))


def tuned(options: argparse.Namespace) -> tuple[TuneResult, float, float]:
    """The result, wall-clock seconds and peak GiB."""
    started = time.perf_counter()
    with PeakMemory() as memory:
        result = metaopt.tune(
            options.corpus,
            n_trials=options.n_trials,
            folds=options.folds,
            seed=options.seed,
            workers=options.workers,
            storage=options.storage,
            against=tuple(PEERS),
            announce=lambda line: print(line, flush=True),
        )
    return result, time.perf_counter() - started, memory.gib


def against_peers(comparison: Comparison) -> list[dict[str, object]]:
    """For each peer, whether the intervals are apart, and the difference paired by task."""
    mine = comparison.interval("recipe")
    rows: list[dict[str, object]] = []
    for name, label in PEERS.items():
        theirs, gain = comparison.interval(name), comparison.difference(name)
        if mine.low > theirs.high:
            verdict = "better, intervals apart"
        elif theirs.low > mine.high:
            verdict = "WORSE, intervals apart"
        elif gain.low > 0:
            verdict = "better task by task, intervals overlap"
        elif gain.high < 0:
            verdict = "WORSE task by task, intervals overlap"
        else:
            verdict = "not shown to be better"
        sentence = f"{label:14} {theirs}: recipe {verdict}; paired by task {gain}"
        rows.append(
            {
                "peer": label,
                "score": numbers(theirs),
                "gain": numbers(gain),
                "apart": theirs.apart(mine),
                "sentence": sentence,
            }
        )
    return rows


def report(
    result: TuneResult,
    rows: list[dict[str, object]],
    options: argparse.Namespace,
    seconds: float,
    peak: float,
) -> dict[str, object]:
    worth = result.comparison.trials_worth()
    table = json.loads(result.comparison.table().to_json(orient="records"))
    return {
        "corpus": options.corpus,
        "tasks": len(result.corpus),
        "families": len(result.corpus.families),
        "n_trials": options.n_trials,
        "folds": options.folds,
        "seed": options.seed,
        "recipe_score": numbers(result.comparison.interval("recipe")),
        "peers": rows,
        "trials_worth": None if worth is None else [finite(end) for end in (worth.number, worth.low, worth.high)],
        "table": table,
        "recipe": result.recipe.to_json()["configuration"],
        "evaluations": result.cost.evaluations,
        "reference_evaluations": result.cost.reference_evaluations,
        "comparison_evaluations": result.cost.comparison_evaluations,
        "wall_seconds": seconds,
        "peak_gib": peak,
    }


def numbers(interval: Interval) -> list[float | None]:
    return [finite(number) for number in (interval.value, interval.low, interval.high)]


def finite(number: float) -> float | None:
    """JSON knows no NaN and no infinity."""
    return number if math.isfinite(number) else None


if __name__ == "__main__":
    main()
