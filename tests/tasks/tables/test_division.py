"""Which rows there are, and how groups and times divide them."""

import numpy as np
import pandas as pd
import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.division import divided, kept_rows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import check_table


def frame(num_rows=120):
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "patient": [f"p{row // 6}" for row in range(num_rows)],
            "day": pd.date_range("2021-01-01", periods=num_rows // 2).repeat(2).strftime("%Y-%m-%d"),
            "x": generator.normal(size=num_rows),
            "target": np.array(["no", "yes"])[generator.integers(0, 2, num_rows)],
        }
    )


def rows_of(table, **settings):
    told = TableSettings(drop=("patient",) if "group" not in settings else (), **settings)
    return divided(check_table(table, told, "t.csv"), "t", told, "t.csv").own


@pytest.mark.parametrize("seed", range(3))
def test_a_group_is_never_in_two_splits(seed):
    table = frame().sample(frac=1, random_state=seed).reset_index(drop=True)
    parts = rows_of(table, group="patient")
    groups = [set(table["patient"].iloc[rows]) for rows in parts]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert sorted(np.concatenate(parts)) == list(range(120))
    assert [len(rows) for rows in parts] == pytest.approx([72, 24, 24], abs=7)


def test_later_rows_validate_and_the_latest_test():
    table = frame().sample(frac=1, random_state=0).reset_index(drop=True)
    parts = rows_of(table, time="day")
    days = [table["day"].iloc[rows] for rows in parts]
    assert days[0].max() < days[1].min()
    assert days[1].max() < days[2].min()
    assert [len(rows) for rows in parts] == [72, 24, 24]


def test_a_class_that_nothing_trains_on_is_refused():
    table = frame()
    table["target"] = np.where(np.arange(120) < 100, "old", "new")
    with pytest.raises(InputError, match="has no training row of class new once rows are divided by day"):
        rows_of(table, time="day")


def test_too_few_moments_or_groups_are_refused():
    with pytest.raises(InputError, match="fewer than three moments"):
        rows_of(frame().assign(day=np.repeat(["2021-01-01", "2021-01-02"], 60)), time="day")
    with pytest.raises(InputError, match="has 2 groups"):
        rows_of(frame().assign(patient=np.repeat(["a", "b"], 60)), group="patient")


def test_rows_are_left_out_where_the_owner_says_so():
    target = pd.Series(["a", "a", "a", "b", None, "c"] + ["d"] * 4)
    assert len(kept_rows(target, TableSettings())) == 10
    assert kept_rows(target, TableSettings(drop_rows=("no_target",))).tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    kept = kept_rows(target, TableSettings(drop_rows=("no_target", "rare_class")))
    assert kept.tolist() == [0, 1, 2, 6, 7, 8, 9]
