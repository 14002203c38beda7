"""A small table of each kind, as a file."""

import numpy as np
import pandas as pd
import pytest


def rows(count, seed=0):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": draw.uniform(30, 150, count).round(1),
            "town": draw.choice(["Rome", "Oslo", "Bern"], count),
            "built": [f"{year}-0{month}-15" for year, month in zip(draw.integers(1950, 2020, count),
                                                                 draw.integers(1, 10, count), strict=True)],
        }
    )  # fmt: skip
    frame["rent"] = (frame["size"] * 9 + 200 * (frame.town == "Bern") + draw.normal(0, 10, count)).round(2)
    frame["let"] = np.where(frame.rent + draw.normal(0, 30, count) > 850, "no", "yes")
    return frame


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """A folder with rents.csv, a regression, and lets.csv, a classification."""
    folder = tmp_path_factory.mktemp("tables")
    rows(240).drop(columns="let").to_csv(folder / "rents.csv", index=False)
    rows(240).drop(columns="rent").to_csv(folder / "lets.csv", index=False)
    (folder / "corpus.toml").write_text("[defaults]\nnum_steps = 60\n")
    return folder


@pytest.fixture(scope="session")
def new_rows():
    """Rows that no training saw."""
    return rows(80, seed=1)
