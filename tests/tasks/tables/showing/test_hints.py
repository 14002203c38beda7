"""What to know of a table that trains."""

import numpy as np
import pandas as pd

from metaopt.tasks.tables.division import divided
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.hints import hints
from metaopt.tasks.tables.table import check_table


def frame(num_rows=200):
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": generator.normal(size=num_rows),
            "colour": np.array(["red", "blue", "green"])[generator.integers(0, 3, num_rows)],
            "target": np.array(["no", "yes"])[generator.integers(0, 2, num_rows)],
        }
    )


def hints_of(table, file=None, **settings):
    told = TableSettings(**settings)
    checked = check_table(table, told, "t.csv")
    return " ".join(hints(file or TableFile(table), checked, divided(checked, "t", told, "t.csv")))


def test_a_table_without_faults_has_none():
    assert hints_of(frame()) == ""


def test_rows_in_two_splits_are_counted():
    table = frame(100)
    assert "warning: rows that are training rows too: " in hints_of(pd.concat([table, table], ignore_index=True))


def test_a_column_that_says_the_target_is_named():
    table = frame()
    codes = table.assign(result=table["target"].map({"no": "N", "yes": "P"}))[["x", "result", "target"]]
    assert "the column 'result' says 'target' without a mistake" in hints_of(codes)
    score = table.assign(score=np.where(table["target"] == "yes", 5, 0) + table["x"])[["score", "target"]]
    assert "the column 'score' says 'target'" in hints_of(score[(score["score"] < 2) | (score["score"] > 3)])
    amounts = pd.DataFrame({"net": table["x"], "gross": table["x"] * 1.19})
    assert "the column 'net' says 'gross'" in hints_of(amounts)
    assert "says" not in hints_of(pd.DataFrame({"net": table["x"], "gross": table["x"] + table["x"][::-1].to_numpy()}))


def test_a_number_that_may_stand_for_a_gap_is_named():
    table = frame()
    table.loc[:5, "x"] = -999
    assert "'x' is -999 in 6 rows, far from all others" in hints_of(table)


def test_dates_and_constants_are_told():
    table = frame()
    table.insert(0, "day", pd.date_range("2024-01-01", periods=200).strftime("%Y-%m-%d"))
    table.insert(0, "shop", "A")
    said = hints_of(table)
    assert "write time = 'day'" in said
    assert "of no use: shop" in said
    assert "write time" not in hints_of(table, time="day")


def test_what_was_assumed_is_told():
    table = frame().rename(columns={"colour": "Größe"})
    file = TableFile(table.assign(x=range(200)), ",", "cp1252", is_encoding_assumed=True, padded=("x",))
    said = hints_of(file.frame, file)
    assert "Read as cp1252, which nothing in the file says, such as 'Größe'" in said
    assert "Numbers with zeros in front: x." in said
