"""What `tune` hands over on small tables, beside the baseline that its own validation would have chosen.

    python -m benchmarks.tuning.handed_over [--tables FOLDER] [--cut FOLDER] [--before CHECKOUT] [--n-trials 40]
        [--draws 20] [--seed 0] [--only NAME ...] [--json FILE]

Corpora: the folder of CSV files as one corpus, each of its files alone, and five corpora of four tables of 100 to 3,000
rows that are made here, from scikit-learn's data and formulas. Each is tuned with so many trials. Then what is handed
over, with its stopper, and the baseline that did best by validation in the study's finals are trained on `--draws`
further draws of training and validation rows, and judged by the tables' test rows, which no tuning sees. Scores are in
units of the distance of each task's references; differences are means over a corpus's tasks, their standard errors
over draws. With `--cut`, the tables of another folder are also cut down to 200, 500 and 2,000 rows, in corpora of up to
five, and judged on the rows that were left out. With `--before`, a checkout of an earlier commit tunes the same
corpora, and what it hands over is judged in the same way, against the same baselines.
"""

import argparse
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn import datasets

import metaopt
from metaopt.contracts import REDRAWN
from metaopt.plugin import current_registry
from metaopt.tasks.tables.columns.features import preprocessor
from metaopt.tasks.tables.mlp import mlp
from metaopt.tasks.tables.reading.csv_file import read_csv
from metaopt.tasks.tables.rows import TableRows
from metaopt.tasks.tables.settings import TableSettings, read_settings
from metaopt.tasks.tables.table import check_table, task_from_frame
from metaopt.tuning.judging.comparison import Contender
from metaopt.tuning.judging.references import DEFAULT_BASELINE, References, references
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.request import Request
from metaopt.tuning.search.baselines import contender_of
from metaopt.tuning.stopping.stopping import stop_index

#: Rows that tables are cut down to, and rows of them that judge at most.
SIZES, MOST_LEFT_OUT = (200, 500, 2_000), 4_000
#: Draws that judge; no part of a study uses their seeds.
FIRST_DRAW = REDRAWN + 500
TUNE = """
import json, sys, torch, metaopt
torch.set_num_threads(1)
folder, n_trials, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
result = metaopt.tune(folder, n_trials=n_trials, seed=seed, announce=lambda line: None)
result.recipe.save(sys.argv[4])
"""


def frames(index: int) -> dict[str, pd.DataFrame]:
    """Four tables of the corpus with this number."""
    rng = np.random.default_rng((3, index))
    made = {}
    for place, kind in enumerate(_KINDS[index]):
        rows = int(np.exp(rng.uniform(math.log(100), math.log(3000))))
        made[f"{kind}_{place}"] = _frame(kind, rows, rng)
    return made


#: Tables of each corpus.
_KINDS = (
    ("friedman", "linear", "waves", "diabetes"),
    ("moons", "blobs", "cancer", "digits"),
    ("wine", "friedman", "checkers", "categories"),
    ("waves", "checkers", "digits", "linear"),
    ("categories", "cancer", "friedman", "noise"),
)


def _frame(kind: str, rows: int, rng: np.random.Generator) -> pd.DataFrame:
    inputs = rng.standard_normal((rows, 8))
    noise = rng.standard_normal(rows)
    if kind in ("diabetes", "cancer", "digits", "wine"):
        loader = {"cancer": "breast_cancer"}.get(kind, kind)
        data = getattr(datasets, f"load_{loader}")(as_frame=True).frame
        return data.sample(min(rows, len(data)), random_state=int(rng.integers(2**31))).reset_index(drop=True)
    frame = pd.DataFrame(inputs, columns=[f"x{column}" for column in range(8)])
    if kind == "friedman":
        u = rng.uniform(size=(rows, 5))
        frame.iloc[:, :5] = u
        frame["y"] = 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + noise
    elif kind == "linear":
        frame["y"] = inputs @ rng.standard_normal(8) + noise
    elif kind == "waves":
        frame["y"] = np.sin(2 * inputs[:, 0]) + np.cos(inputs[:, 1] * inputs[:, 2]) + 0.3 * noise
    elif kind == "moons":
        points, label = datasets.make_moons(rows, noise=0.25, random_state=int(rng.integers(2**31)))
        frame["x0"], frame["x1"], frame["y"] = points[:, 0], points[:, 1], np.where(label, "yes", "no")
    elif kind == "blobs":
        points, label = datasets.make_blobs(rows, 8, centers=5, cluster_std=4.0, random_state=int(rng.integers(2**31)))
        frame.iloc[:, :8], frame["y"] = points, [f"class {value}" for value in label]
    elif kind == "checkers":
        frame["y"] = np.where((inputs[:, 0] * inputs[:, 1] + 0.3 * noise) > 0, "even", "odd")
    elif kind == "categories":
        frame["city"] = rng.choice(["Bonn", "Lyon", "Oslo", "Rome"], rows)
        frame["plan"] = rng.choice(["basic", "pro"], rows, p=[0.7, 0.3])
        logit = inputs[:, 0] + 1.5 * (frame["city"] == "Oslo") - (frame["plan"] == "pro") * inputs[:, 1]
        frame["y"] = np.where(rng.uniform(size=rows) < 1 / (1 + np.exp(-logit)), "stays", "leaves")
    else:
        frame["y"] = np.where(noise > 0, "a", "b")
    return frame


def folders(tables: Path | None, home: Path) -> Iterator[tuple[str, Path]]:
    """Every corpus by its name."""
    if tables is not None:
        yield "all tables", tables
        for path in sorted(tables.glob("*.csv")):
            alone = home / f"alone_{path.stem}"
            alone.mkdir()
            (alone / path.name).write_bytes(path.read_bytes())
            _copy_settings(tables, alone, path.stem)
            yield path.stem, alone
    for index in range(len(_KINDS)):
        folder = home / f"made_{index}"
        folder.mkdir()
        for name, frame in frames(index).items():
            frame.to_csv(folder / f"{name}.csv", index=False)
        yield f"made {index}", folder


def _copy_settings(tables: Path, alone: Path, stem: str) -> None:
    settings = tables / "corpus.toml"
    if settings.exists():
        parts = settings.read_text().split("\n\n")
        (alone / "corpus.toml").write_text("\n\n".join(part for part in parts if part.startswith(f"[{stem}]")))


def cut_down(source: Path, home: Path, seed: int = 0) -> Iterator[tuple[str, Path, list[metaopt.Task]]]:
    """Corpora of tables cut down to few rows, with tasks that train on these and test on the rows left out."""
    rng = np.random.default_rng(seed)
    stems = [path.name.removesuffix(".csv.gz") for path in sorted(source.glob("*.csv.gz"))]
    settings = read_settings(source, stems)
    for size in SIZES:
        order = rng.permutation(len(stems))
        for number, begin in enumerate(range(0, len(stems), 5)):
            folder = home / f"cut_{size}_{number}"
            folder.mkdir()
            tasks = []
            for stem in (stems[index] for index in order[begin : begin + 5]):
                frame = read_csv(source / f"{stem}.csv.gz", settings[stem]).frame
                frame = frame.sample(frac=1, random_state=int(rng.integers(2**31))).reset_index(drop=True)
                try:
                    tasks.append(_cut(frame, size, stem, settings[stem], folder))
                except metaopt.InputError:
                    continue  # too few rows of a class
            if tasks:
                (folder / "corpus.toml").write_text("[defaults]\nnum_steps = 400\n")
                yield f"cut {size}, {number}", folder, tasks


def _cut(frame: pd.DataFrame, size: int, stem: str, settings: TableSettings, folder: Path) -> metaopt.Task:
    settings = dataclasses.replace(settings, num_steps=400)
    cut = task_from_frame(frame.head(size), stem, settings, stem)
    table = check_table(frame, settings, stem)
    classes = cut.redraw.target.num_outputs  # type: ignore[union-attr]
    if len(frame) < 2 * size or table.target.num_outputs != classes:
        raise metaopt.InputError("There are too few rows to leave any out.")
    train, validation, _ = cut.redraw.own  # type: ignore[union-attr]
    left_out = np.arange(size, min(len(frame), size + MOST_LEFT_OUT))
    settled = preprocessor(table.features).fit(table.features.frame.iloc[train])
    rows = TableRows(table.features, table.target, stem, (train, validation, left_out), settled)
    frame.head(size).to_csv(folder / f"{stem}.csv", index=False)
    splits = rows.splits()
    model = partial(mlp, splits.train.inputs.shape[1], table.target.num_outputs)
    return dataclasses.replace(cut, data=splits, redraw=rows, model=model, name=f"{stem}, judged")


def judge(
    tasks: Sequence[Any], recipes: Mapping[str, metaopt.Recipe], incumbent: Contender, draws: int
) -> dict[str, tuple[float, float]]:
    """Mean difference to the incumbent, and its standard error over draws, of each recipe."""
    registry = current_registry()
    evaluator = Evaluator(Ledger("sqlite://"), registry, announce=lambda line: None)
    known = references(evaluator, tasks, DEFAULT_BASELINE)
    seeds = tuple(range(FIRST_DRAW, FIRST_DRAW + draws))
    contenders = [incumbent, *(Contender.of(recipe, name) for name, recipe in recipes.items())]
    configurations = tuple({c.configuration.key: c.configuration for c in contenders}.values())
    curves = evaluator.answer([Request(task, (*configurations, DEFAULT_BASELINE), seeds) for task in tasks])

    def scores(contender: Contender) -> Any:
        return np.asarray(
            [
                [
                    _score(curves[contender.configuration.key, task.name, seed], contender, task, seed, known)
                    for seed in seeds
                ]
                for task in tasks
            ]
        ).mean(axis=0)

    def _score(curve: metaopt.Curve, contender: Contender, task: Any, seed: int, known: References) -> float:
        until = stop_index(curve, contender.stopper, registry, task.sign) + 1
        return known.scale(task, seed).test_score(curve, until)

    base = scores(incumbent)
    answer = {}
    for contender in contenders[1:]:
        differences = scores(contender) - base
        answer[contender.name] = float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(draws))
    return answer


def one_corpus(
    name: str, folder: Path, options: argparse.Namespace, tasks: Sequence[Any] | None = None
) -> dict[str, Any]:
    """Tune, on both sides, and judge on the corpus's own tasks unless there are others."""
    result = metaopt.tune(folder, n_trials=options.n_trials, seed=options.seed, announce=lambda line: None)
    verdict = result.verdict
    recipes = {"after": result.recipe}
    if options.before:
        with tempfile.TemporaryDirectory() as home:
            environment = {**os.environ, "PYTHONPATH": f"{options.before}{os.pathsep}{options.before}/plugins"}
            arguments = [str(folder), str(options.n_trials), str(options.seed), f"{home}/recipe"]
            subprocess.run([sys.executable, "-c", TUNE, *arguments], check=True, env=environment, cwd=home)
            recipes["before"] = metaopt.load_recipe(f"{home}/recipe")
    assert verdict.incumbent is not None
    incumbent = contender_of(verdict.incumbent, current_registry())
    return {
        "corpus": name,
        "verdict": str(verdict),
        "kind": verdict.kind,
        "incumbent": verdict.incumbent,
        "recipe": result.recipe.name,
        "trainings": result.cost.evaluations + result.cost.reference_evaluations + result.cost.comparison_evaluations,
        **judge(tasks or metaopt.load_corpus(folder).tasks, recipes, incumbent, options.draws),
    }


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """A table, and the means over corpora."""
    print(f"{'corpus':14} {'incumbent':19} {'handed over':40} {'kind':8} {'after':>16} {'before':>16}")
    for row in rows:
        cells = [f"{row[side][0]:+.2f} ± {row[side][1]:.2f}" if side in row else "" for side in ("after", "before")]
        behind = " *" if row["after"][0] < -2 * row["after"][1] else ""
        print(
            f"{row['corpus']:14} {row['incumbent']:19} {row['recipe']:40.40} {row['kind']:8} "
            f"{cells[0]:>16} {cells[1]:>16}{behind}"
        )
    for side in ("after", "before"):
        values = [row[side][0] for row in rows if side in row]
        if len(values) > 1:
            error = statistics.stdev(values) / math.sqrt(len(values))
            print(f"{side}: mean over corpora {statistics.fmean(values):+.3f} ± {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--cut", type=Path)
    parser.add_argument("--before", help="a checkout of an earlier commit")
    parser.add_argument("--n-trials", type=int, default=40)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--json", type=Path, help="where results go, and are read from when it is run again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(options.json.read_text()) if options.json is not None and options.json.exists() else []
    with tempfile.TemporaryDirectory() as home:
        corpora = [(name, folder, None) for name, folder in folders(options.tables, Path(home))]
        if options.cut is not None:
            corpora += cut_down(options.cut, Path(home))
        for name, folder, tasks in corpora:
            if (options.only and name not in options.only) or name in [row["corpus"] for row in rows]:
                continue
            rows.append(one_corpus(name, folder, options, tasks))
            if options.json is not None:
                options.json.write_text(json.dumps(rows, indent=1))
    show(rows)


if __name__ == "__main__":
    main()
