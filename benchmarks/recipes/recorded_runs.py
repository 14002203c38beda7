"""Portfolios from runs recorded elsewhere: what the first candidate is worth on a task that had no say in the choice.

    python -m benchmarks.recipes.recorded_runs [--data ../shared/data/curves] [--portfolio 3] [--json]

`starter` are the reference runs that ship with the starter corpus; `noise` are 40 candidates on 60 tasks whose values
are drawn at random, where nothing carries over and the answer is 1; `alexnet` and `deberta` are the tuning runs of
Lourie et al. (https://arxiv.org/abs/2311.09480), two metrics of one training each, left out where they are not there.
Two such tasks are too few, and too much alike, for a claim; they show that real exports can be read.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import metaopt_corpora
from metaopt.tuning.judging.shipped_references import read
from metaopt.tuning.recorded.runs import portfolio_of_runs
from metaopt.tuning.recorded.runs_file import read_runs

COLUMNS = ["candidate", "task", "family", "step", "value"]
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "curves"
Row = tuple[Any, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the recorded learning curves")
    parser.add_argument("--portfolio", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    sources: dict[str, tuple[Callable[[], Iterator[Row]], str]] = {"starter": (starter, "min"), "noise": (noise, "min")}
    for name, reader in (("alexnet", alexnet), ("deberta-base", deberta)):
        path = options.data / f"{name}_tuning.results.jsonl.gz"
        if path.exists():
            sources[name] = (lambda path=path, reader=reader: reader(path), "max")
        else:
            print(f"{name} is left out: {path.name} is not in {options.data.name}")
    report = {name: measure(name, rows, mode, options.portfolio) for name, (rows, mode) in sources.items()}
    if options.json:
        print(json.dumps(report))


def measure(name: str, rows: Callable[[], Iterator[Row]], mode: str, size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        pd.DataFrame(rows(), columns=COLUMNS).to_csv(path, index=False)
        started = time.perf_counter()
        portfolio = portfolio_of_runs(read_runs(path, mode), size)
        seconds = time.perf_counter() - started
    print(f"\n{name}: {portfolio.num_candidates:,} candidates, {len(portfolio.tasks)} tasks, {seconds:.1f} s")
    for place, member in enumerate(portfolio.members, start=1):
        print(f"  best of {place}: held out {member.held_out}, worth {member.worth} random trials")
    return {**portfolio.to_json(), "seconds": seconds}


def starter() -> Iterator[Row]:
    (spec,) = metaopt_corpora.metaopt_plugins()
    for evaluation in read(Path(spec.reference_runs)):
        for step, value in zip(evaluation.curve.steps, evaluation.curve.values, strict=True):
            if evaluation.key.seed == 0:
                yield evaluation.key.configuration_key, evaluation.task, evaluation.family, step, value


def noise() -> Iterator[Row]:
    values = np.random.default_rng(0).normal(size=(40, 60))
    for (candidate, task), value in np.ndenumerate(values):
        yield candidate, f"task{task}", "noise", 1, value


def alexnet(path: Path) -> Iterator[Row]:
    for record in recorded(path):
        for point in record["learning_curve"]:
            for metric in ("top_1", "top_5"):
                yield record["iteration"], metric, "imagenet", point["epoch"] + 1, point[metric]


def deberta(path: Path) -> Iterator[Row]:
    for record in recorded(path):
        for split, curve in record["learning_curves"].items():
            for step, value in curve:
                yield record["iteration"], split, "mnli", step, value


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
