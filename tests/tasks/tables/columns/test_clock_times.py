"""Times of day, durations, zones."""

import numpy as np
import pytest

from metaopt.tasks.tables.columns.clock_times import read_times, seconds_of, zone_of


@pytest.mark.parametrize(
    ("clock", "hours"),
    [("9:05", 9 + 1 / 12), ("12:00 am", 0), ("12:30 pm", 12.5), ("9:00 p.m.", 21), ("0:00:36", 0.01)],
)
def test_times_of_day_are_seconds_since_midnight(clock, hours):
    assert seconds_of(clock) == pytest.approx(hours * 3600)


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [("", None), ("Z", 0), (" UTC", 0), ("+02:00", 120), ("-0330", -210), (" CEST", 120), ("PST", -480)],
)
def test_zones_are_minutes_east(zone, minutes):
    assert zone_of(zone) == minutes


def test_durations_are_hours():
    times = read_times(["100:30:00", "-5:30", "1 days 00:00:00", "2 days, 3:04:30", "1h 30m", "PT15M", "P1DT2H", "no"])
    assert not times.are_of_day
    np.testing.assert_allclose(times.hours, [100.5, -5.5, 24, 51.075, 1.5, 0.25, 26, np.nan])


def test_what_may_be_times_of_day_is_told():
    assert read_times(["12:30", "9:05 pm", "23:59:59"]).are_of_day
    assert not read_times(["12:30", "25:00"]).are_of_day
