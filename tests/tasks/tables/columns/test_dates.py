"""Columns of dates: an order of numbers is settled by the column, or asked."""

import numpy as np
import pytest

from metaopt.tasks.tables.columns.dates import Moments, from_numbers, read_dates
from metaopt.tasks.tables.refusal import Refusal


def days(texts, **known):
    moments = read_dates(texts, "day", **known)
    assert isinstance(moments, Moments), moments
    return [str(value)[:10] for value in moments.values]


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["03.01.2024", "13.01.2024"], "2024-01-03"),
        (["03/01/2024", "02/23/2024"], "2024-03-01"),
        (["31-12-99", "01-02-03"], "1999-12-31"),
        (["3. 1. 2024", "15. 1. 2024"], "2024-01-03"),
    ],
)
def test_a_day_beyond_twelve_settles_the_order(texts, first):
    assert days(texts)[0] == first


@pytest.mark.parametrize("texts", [["03/01/2024", "02/03/2024"], ["03.01.2024"], ["01-02-03", "04-05-06"]])
def test_what_no_cell_settles_is_asked(texts):
    refusal = read_dates(texts, "day")
    assert isinstance(refusal, Refusal)
    assert "no cell settles it" in refusal.fault
    assert refusal.settings["dates"].keys() == {"day"}
    assert "month-first" in refusal.choice


def test_an_order_that_makes_no_difference_is_not_asked():
    assert days(["01/01/2024", "02/02/2024"]) == ["2024-01-01", "2024-02-02"]
    assert "'03/04/2024'" in read_dates(["01/01/2024", "03/04/2024"], "day").fault


def test_the_owner_settles_it():
    assert days(["03/01/2024"], order="day-first") == ["2024-01-03"]
    assert days(["03/01/2024"], order="month-first") == ["2024-03-01"]
    assert days(["03/01/04"], order="year-first") == ["2003-01-04"]


def test_orders_that_are_mixed_are_refused():
    refusal = read_dates(["13/01/2024", "01/13/2024"], "day")
    assert "in several orders" in refusal.fault


def test_a_cell_that_is_no_date_is_none_and_the_others_are():
    texts = [f"{day:02}.01.2024" for day in range(1, 28)] + ["31.02.2024"]
    values = read_dates(texts, "day").values
    assert np.isnat(values[-1])
    assert not np.isnat(values[:-1]).any()


@pytest.mark.parametrize(("year", "full"), [("05", 2005), ("30", 2030), ("69", 1969), ("99", 1999)])
def test_years_of_two_digits_are_near(year, full):
    assert days([f"13-Jan-{year}"]) == [f"{full}-01-13"]


def test_a_year_that_may_be_past_or_to_come_is_asked():
    refusal = read_dates(["13-Jan-45"], "born")
    assert "1945 or 2045" in refusal.fault
    assert refusal.settings == {"first_year": 1931}
    assert days(["13-Jan-45", "13-Jan-29"], first_year=1931) == ["1945-01-13", "2029-01-13"]


def test_zones_are_one_time():
    moments = read_dates(["2021-01-01T12:00+02:00", "2021-01-01T12:00Z"], "at")
    assert [str(value) for value in moments.values] == ["2021-01-01T10:00:00", "2021-01-01T12:00:00"]
    assert "times without" in read_dates(["2021-01-01T12:00Z", "2021-01-01T12:00"], "at").fault


def test_whole_numbers_are_dates():
    assert [str(value)[:10] for value in from_numbers(np.array([20210131.0, np.nan])).values] == ["2021-01-31", "NaT"]
