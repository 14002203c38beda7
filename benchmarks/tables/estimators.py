"""Compares `RecipeClassifier` and `RecipeRegressor` with scikit-learn's MLP at its defaults, on a folder of tables.

    python -m benchmarks.tables.estimators FOLDER [--seeds 10] [--tables a,b] [--recipe default]
        [--against mlp] [--json]

Columns are settled by metaopt's reader, with what `metaopt show` proposes to paste. Each seed divides the rows anew,
three quarters to train on and a quarter to test on, and seeds both sides. Both get the same inputs: gaps filled,
numbers scaled, categories one-hot, all fitted on training rows; and the target of a regression in standard deviations
of training rows. The MLP is `MLPClassifier()` or `MLPRegressor()` and nothing else: one hidden layer of 100, Adam at
1e-3, batches of 200, at most 200 epochs. Test scores are accuracy and R², with log loss beside accuracy; a table is
ahead where the mean over seeds is higher, surely where a paired 95 % interval (Student's t) is above 0.

`--against validated` compares with the same estimators under `all_rows=False`, whose models leave validation rows out.
"""

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import metaopt
from metaopt.tasks import TableSplits, inspect_folder
from metaopt.tasks.tables.columns.features import preprocessor
from metaopt.tasks.tables.csv_folder import read_task
from metaopt.tasks.tables.settings import read_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tables", default="")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--against", choices=["mlp", "validated"], default="mlp")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = [name for name in options.tables.split(",") if name]
    rows = []
    print(
        f"{'table':10} {'rows':>6} {'score':>9} {'recipe':>8} {options.against:>9} {'difference, 95 %':>24} "
        f"{'log loss':>16} {'s':>12}"
    )
    for splits, name in tables(options.folder):
        if wanted and name not in wanted:
            continue
        row = compared(splits, name, options.recipe, options.seeds, options.against)
        rows.append(row)
        print(shown(row), flush=True)
    ahead = sum(row["difference"] > 0 for row in rows)
    surely = sum(row["low"] > 0 for row in rows)
    behind = sum(row["high"] < 0 for row in rows)
    print(f"ahead on {ahead} of {len(rows)}, surely on {surely}; surely behind on {behind}; {options.seeds} seeds")
    if options.json:
        print(json.dumps(rows))


def tables(folder: Path):
    """The tables of a folder, by its `corpus.toml` and what `metaopt show` would have pasted into it."""
    reports = {report.name: report for report in inspect_folder(folder).tables}
    written = read_settings(folder, list(reports))
    for name, report in reports.items():
        stated = {key: value for key, value in report.settings.items() if value is not None}
        told = {key: tuple(value) if isinstance(value, list) else value for key, value in stated.items()}
        splits = read_task(Path(report.path), name, replace(written[name], **told)).splits
        assert isinstance(splits, TableSplits)
        yield splits, name


def compared(splits: TableSplits, name: str, recipe: str, num_seeds: int, against: str) -> dict:
    table = splits.table
    is_class = table.target.kind == "classification"
    frame, targets = table.features.frame, table.target.values
    kept = {f"{side}{what}": [] for side in ("recipe", "other") for what in ("", " log loss", " s")}
    for seed in range(num_seeds):
        train, test = train_test_split(
            np.arange(len(frame)), test_size=0.25, random_state=seed, stratify=targets if is_class else None
        )
        other = mlp_model(table, seed) if against == "mlp" else recipe_model(is_class, recipe, seed, all_rows=False)
        for side, model in (("recipe", recipe_model(is_class, recipe, seed)), ("other", other)):
            began = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # 200 epochs are its default
                model.fit(frame.iloc[train], targets[train])
            kept[f"{side} s"].append(time.perf_counter() - began)
            kept[side].append(model.score(frame.iloc[test], targets[test]))
            if is_class:
                kept[f"{side} log loss"].append(log_loss(targets[test], model.predict_proba(frame.iloc[test])))
    differences = np.array(kept["recipe"]) - np.array(kept["other"])
    mean, error = differences.mean(), stats.sem(differences) if num_seeds > 1 else np.inf
    reach = stats.t.ppf(0.975, max(1, num_seeds - 1)) * error
    return {
        "table": name,
        "rows": len(frame),
        "score": "accuracy" if is_class else "R2",
        **{key: float(np.mean(values)) for key, values in kept.items() if values},
        "difference": float(mean),
        "low": float(mean - reach),
        "high": float(mean + reach),
        "runs": kept,
    }


def recipe_model(is_class: bool, recipe: str, seed: int, *, all_rows: bool = True):
    kind = metaopt.RecipeClassifier if is_class else metaopt.RecipeRegressor
    return kind(recipe, random_state=seed, all_rows=all_rows)


def mlp_model(table, seed: int):
    prepared = preprocessor(table.features, table.target.num_outputs)
    if table.target.kind == "classification":
        return make_pipeline(prepared, MLPClassifier(random_state=seed))
    regressor = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
    return make_pipeline(prepared, regressor)


def shown(row: dict) -> str:
    losses = f"{row['recipe log loss']:.3f}, {row['other log loss']:.3f}" if "recipe log loss" in row else ""
    interval = f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
    return (
        f"{row['table']:10} {row['rows']:6} {row['score']:>9} {row['recipe']:8.4f} {row['other']:9.4f} {interval:>24} "
        f"{losses:>16} {row['recipe s']:5.1f}, {row['other s']:5.1f}"
    )


if __name__ == "__main__":
    main()
