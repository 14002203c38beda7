"""What makes scores flatter is told: rows in two splits, columns that say the target; nothing else is."""

import numpy as np
import pandas as pd
import pytest

from metaopt.tasks.tables.division import divided
from metaopt.tasks.tables.leaks import leaks
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import check_table, task_from_frame


def frame(num_rows=200, seed=0):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": generator.normal(size=num_rows),
            "colour": np.array(["red", "blue", "green"])[generator.integers(0, 3, num_rows)],
            "target": np.array(["no", "yes"])[generator.integers(0, 2, num_rows)],
        }
    )


def leaks_of(table, **settings):
    told = TableSettings(**settings)
    checked = check_table(table, told, "t.csv")
    return leaks(table, checked, divided(checked, "t", told, "t.csv"))


@pytest.mark.parametrize("num_rows", [200, 5000])
def test_a_table_without_faults_has_none(num_rows):
    assert leaks_of(frame(num_rows)) == []


def test_rows_in_two_splits_are_counted():
    table = frame(100)
    (sentence,) = leaks_of(pd.concat([table, table], ignore_index=True))
    assert sentence.startswith("rows that are training rows too: ")
    assert "of 40 validation rows" in sentence


def test_a_group_keeps_duplicates_together():
    table = frame(100).assign(person=range(100))
    both = pd.concat([table, table], ignore_index=True)[["person", "x", "colour", "target"]]
    assert leaks_of(both, group="person") == []


@pytest.mark.parametrize("num_rows", [200, 5000])
def test_a_column_that_says_the_target_is_named(num_rows):
    table = frame(num_rows)
    named = ["the column 'result' says 'target' without a mistake. If it is not known before, list it under drop."]
    coded = table.assign(result=table["target"].map({"no": "N", "yes": "P"}))[["x", "result", "target"]]
    assert leaks_of(coded) == named
    above = table.assign(result=np.where(table["target"] == "yes", 50, 0) + table["x"])[["result", "target"]]
    assert leaks_of(above) == named
    amounts = pd.DataFrame({"result": table["x"], "target": table["x"] * 1.19})
    assert leaks_of(amounts) == named


def test_one_row_of_thousands_that_errs_is_enough():
    table = frame(5000)
    coded = table.assign(result=table["target"].map({"no": "N", "yes": "P"}))[["x", "result", "target"]]
    coded.loc[1234, "result"] = {"N": "P", "P": "N"}[coded.loc[1234, "result"]]
    assert leaks_of(coded) == []


def test_a_column_that_is_there_for_one_class_alone_says_nothing():
    table = frame(400).assign(z=np.arange(400) % 397 * 0.37)  # so that no two rows are alike
    table["target"] = np.where(np.arange(400) < 380, "no", "yes")
    table["x"] = table["x"].where(table["target"] == "no")
    assert leaks_of(table[["z", "x", "colour", "target"]]) == []


def test_they_are_told_in_a_line_each_with_the_file():
    table = frame(100)
    told = []
    task_from_frame(pd.concat([table, table], ignore_index=True), "t", TableSettings(), "shop/t.csv", warn=told.append)
    (line,) = told
    assert line.startswith("warning: shop/t.csv: rows that are training rows too: ")
    assert "\n" not in line
