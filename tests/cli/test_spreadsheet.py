import io

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.cli.results import save
from metaopt.cli.spreadsheet import as_csv

FORMULAS = [
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "=x\r=cmd|' /C calc'!A0",
    " =1+1",
    "＝1+1",
    '=1+1\nand more, "quoted"',
    "-",
]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_that_begins_like_a_formula_is_text_in_every_cell_and_column(name):
    text = as_csv(pd.DataFrame({"task": [name, "plain"], name: [1.5, -2.5]}))
    back = pd.read_csv(io.StringIO(text, newline=""))
    marked = f"'{name}".replace("\r", "\n")
    assert list(back.columns) == ["task", marked]
    assert back["task"].tolist() == [marked, "plain"]
    assert back[marked].tolist() == [1.5, -2.5]


def test_numbers_and_ordinary_names_stay_as_they_are():
    frame = pd.DataFrame(
        {
            "name": ["a-b", "x=1", "it's", "", "café"],
            "mixed": [-1, "-0.5", "+1e-3", None, True],
            "value": [-1.5, np.nan, np.inf, -np.inf, 0.0],
            "count": [-1, 0, 1, 2, 3],
        }
    )
    assert as_csv(frame) == frame.to_csv(index=False)


def test_names_of_tasks_and_families_reach_no_spreadsheet_as_formulas(tmp_path):
    def train(recipe, seed):
        yield from ((step, 1.0 / step) for step in (1, 2, 3))

    task = metaopt.BlackBoxTask("=cmd|' /C calc'!A0", "@family", train, num_steps=3)
    small = {"n_trials": 1, "optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "against": []}
    save(metaopt.tune([task], **small), tmp_path)
    table = pd.read_csv(tmp_path / "evaluations.csv")
    assert set(table["task"]) == {"'=cmd|' /C calc'!A0"}
    assert set(table["family"]) == {"'@family"}
    assert table["validation"].min() > 0
