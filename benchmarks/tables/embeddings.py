"""Compares embeddings of categories with one-hot columns in metaopt's own model of a table.

    python -m benchmarks.tables.embeddings FOLDER [FOLDER …] [--seeds 5] [--recipe default]

Tables with a category are trained by `metaopt.fit` in both ways, validated and not trained again; columns are settled
by what `metaopt show` proposes. Scores are the losses on test rows (log loss, or squared errors in variances), the mean
over seeds, each of which sets initial weights and batches; the difference has a paired 95 % interval (Student's t).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

import metaopt
from benchmarks.tables.estimators import tables
from metaopt.tasks import TableSplits, model_factory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--recipe", default="default")
    options = parser.parse_args()
    print(f"{'table':14} {'categories':>12} {'one-hot':>8} {'embedded':>8} {'embedded - one-hot, 95 %':>28}")
    better = worse = count = 0
    for folder in options.folders:
        for splits, name in tables(folder):
            if not splits.table.features.categories:
                continue
            scores = [
                np.array([score(splits, name, options.recipe, seed, embeddings) for seed in range(options.seeds)])
                for embeddings in (False, True)
            ]
            difference = scores[1] - scores[0]
            reach = stats.t.ppf(0.975, max(1, options.seeds - 1)) * stats.sem(difference)
            interval = f"{difference.mean():+.4f} [{difference.mean() - reach:+.4f}, {difference.mean() + reach:+.4f}]"
            sizes = len(splits.table.features.categories)
            print(
                f"{name:14} {sizes:12} {scores[0].mean():8.4f} {scores[1].mean():8.4f} {interval:>28}",
                flush=True,
            )
            count += 1
            better += difference.mean() + reach < 0
            worse += difference.mean() - reach > 0
    print(f"{count} tables with categories: embeddings surely better on {better}, surely worse on {worse}")


def score(splits: TableSplits, name: str, recipe: str, seed: int, embeddings: bool) -> float:
    settings = replace(splits.settings, embeddings=embeddings)
    task = metaopt.Task(
        name=name,
        family="tables",
        model=lambda: model_factory(settings)(1, 1),
        data=replace(splits, settings=settings),
        loss=lambda output, targets: output.mean(),
        num_steps=settings.num_steps,
        batch_size=settings.batch_size,
    )
    return metaopt.fit(recipe, task, all_rows=False, seed=seed).record.scores["test"]


if __name__ == "__main__":
    main()
