"""Writes eight small tables of scikit-learn as a folder of CSVs, which is a corpus: one file a task.

    python -m benchmarks.corpora.tables FOLDER

Four are real, four are drawn from its generators. A `corpus.toml` beside them makes the trainings short: 100 steps, 10
validations.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from sklearn import datasets

REAL = ("breast_cancer", "diabetes", "iris", "wine")
GENERATED = {
    "friedman1": lambda: datasets.make_friedman1(400, noise=1.0, random_state=0),
    "friedman2": lambda: datasets.make_friedman2(400, noise=50.0, random_state=0),
    "friedman3": lambda: datasets.make_friedman3(400, noise=0.1, random_state=0),
    "gaussian_quantiles": lambda: datasets.make_gaussian_quantiles(n_samples=400, n_features=6, random_state=0),
}
SETTINGS = "[defaults]\nnum_steps = 100\nnum_validations = 10\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.toml").write_text(SETTINGS, encoding="utf-8")
    for name, table in tables():
        table.to_csv(folder / f"{name}.csv", index=False)
        print(f"{name}.csv: {len(table)} rows, {table.shape[1]} columns")


def tables() -> Iterator[tuple[str, pd.DataFrame]]:
    for name in REAL:
        yield name, getattr(datasets, f"load_{name}")(as_frame=True).frame
    for name, make in GENERATED.items():
        inputs, targets = make()
        columns = {f"x{number}": column for number, column in enumerate(inputs.T, start=1)}
        yield name, pd.DataFrame({**columns, "target": targets})


if __name__ == "__main__":
    main()
