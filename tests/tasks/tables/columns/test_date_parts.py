"""Moments as inputs."""

import numpy as np
import pandas as pd
import pytest

from metaopt.tasks.tables.columns.clock_times import Times
from metaopt.tasks.tables.columns.date_parts import date_parts, named_parts, time_parts
from metaopt.tasks.tables.columns.dates import Moments

VALUES = np.array(["2024-01-01T06:00:00", "2024-07-01T18:00:00", "NaT"], dtype="datetime64[s]")


def test_dates_are_parts_that_repeat_and_days_gone_by():
    parts = date_parts(Moments(VALUES, has_clock=True))
    assert parts["year"][0] == 2024
    assert parts["day of week"].tolist()[:2] == [0, 0]
    assert parts["sin of year"][0] == 0
    assert parts["cos of year"][1] == pytest.approx(-1, abs=0.01)
    assert parts["days"][1] - parts["days"][0] == 182.5
    assert parts["hour"].tolist()[:2] == [6, 18]
    assert all(np.isnan(values[2]) for values in parts.values())


def test_hours_are_left_out_where_there_are_none():
    assert "hour" not in date_parts(Moments(VALUES, has_clock=False))


def test_what_only_grows_is_left_out_where_later_rows_are_held_out():
    assert not {"year", "days"} & date_parts(Moments(VALUES, has_clock=False), elapsed=False).keys()


def test_times_of_day_go_round():
    parts = time_parts(Times(np.array([0.0, 6.0]), are_of_day=True))
    np.testing.assert_allclose(parts["sin of day"], [0, 1], atol=1e-12)
    assert list(time_parts(Times(np.array([100.0]), are_of_day=False))) == ["hours"]


def test_parts_are_called_by_their_column():
    assert list(named_parts(pd.Series([1.0], name="at"), {"hour": np.array([1.0])})) == ["at: hour"]
