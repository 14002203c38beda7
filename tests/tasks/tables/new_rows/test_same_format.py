"""Cells of later rows mean what those of training rows meant."""

import numpy as np
import pandas as pd
import pytest

from metaopt.tasks.tables.columns.cells import typed
from metaopt.tasks.tables.columns.conversion import CellFormat, Converted, How, convert
from metaopt.tasks.tables.new_rows.same_format import reread
from metaopt.tasks.tables.refusal import Refusal
from metaopt.tasks.tables.settings import TableSettings


def column(*cells):
    return pd.Series(list(cells), dtype=object, name="x")


def settled(*cells, **settings):
    converted = convert(typed(column(*cells)), How(TableSettings(**settings)))
    assert isinstance(converted, Converted), converted
    return converted


@pytest.mark.parametrize(
    "cells",
    [
        ("1", "2.5", "-3", ""),
        ("5 €", "7,50 €", "1.234,00 €"),
        ("5%", "-", "6%"),
        ("1,234", "12,345.5"),
        ("(5)", "3-", "−2"),
        ("13.01.2024", "03.01.2024", ""),
        ("2024-01-03 12:30", "2024-01-03"),
        ("20240103", "20240104"),
        ("12:30", "9:05"),
        ("100:30:00", "1:00:00"),
        ("True", "False"),
        ("1 kg", "2 kg", "3 kg", "4 kg", "5 kg", "6 kg"),
    ],
)
def test_each_training_row_by_itself_is_read_as_it_was_among_the_others(cells):
    converted = settled(*cells)
    for row, cell in enumerate(cells):
        parts = reread(column(cell), converted.format)
        assert not isinstance(parts, Refusal), parts
        for part, values in zip(parts, converted.parts.values(), strict=True):
            np.testing.assert_array_equal(part, [values.iloc[row]])


@pytest.mark.parametrize(
    ("trained", "cell", "value"),
    [
        (("1.5", "2.5"), "2,5", 2.5),
        (("1,5", "2,5"), "2.5", 2.5),
        (("0,5", "2,25"), "1.234", 1234.0),
        (("0.5", "2.25"), "1.234", 1.234),
        (("0.5", "2.25"), "1,234.5", 1234.5),
        (("5%", "6%"), "7", 7.0),
        (("5 €", "6 €"), "€ 7", 7.0),
        (("1", "2"), "1e3", 1000.0),
        (("True", "False"), "true", 1.0),
    ],
)
def test_another_dress_is_the_same_number(trained, cell, value):
    (numbers,) = reread(column(cell), settled(*trained).format)
    assert numbers.tolist() == [value]


def test_what_other_columns_settle_wins_over_the_training_file():
    format = settled("0.5", "2.25").format
    assert reread(column("1.234"), format, decimal=",")[0].tolist() == [1234.0]


def test_a_date_that_can_be_read_two_ways_is_read_as_training_rows_were():
    day_first = settled("13.01.2024", "03.01.2024")
    year, month = reread(column("02.03.2024"), day_first.format)[:2]
    assert (year.tolist(), month.tolist()) == ([2024.0], [3.0])
    month_first = settled("01/13/2024", "01/03/2024")
    assert reread(column("02/03/2024"), month_first.format)[1].tolist() == [2.0]
    assert reread(column("31/03/2024"), month_first.format)[1].tolist() == [3.0]


def test_without_a_clock_in_training_there_is_none_later():
    plain = settled("2024-01-03", "2024-01-04")
    parts = reread(column("2024-01-05 13:30"), plain.format)
    assert len(parts) == len(plain.parts)


def test_types_are_taken_as_they_are():
    dates = settled("2024-01-03", "2024-01-04")
    frame_dates = pd.Series(pd.to_datetime(["2024-01-05"]), name="x")
    assert reread(frame_dates, dates.format)[0].tolist() == [2024.0]
    assert reread(pd.Series([20240105], name="x"), dates.format)[1].tolist() == [1.0]
    assert reread(pd.Series([1, 2], name="x"), settled("5 €", "6 €").format)[0].tolist() == [1.0, 2.0]


def test_a_blank_says_no_where_others_were_ticked():
    ticked = convert(pd.Series([True, False], name="x"), How(ticked=("x",))).format
    assert reread(column("x", "", "✓", np.nan), ticked)[0].tolist() == [1.0, 0.0, 1.0, 0.0]
    plain = convert(pd.Series([True, False], name="x"), How()).format
    assert np.isnan(reread(column(""), plain)[0]).all()


@pytest.mark.parametrize(
    ("trained", "cells", "fault"),
    [
        (("1", "2"), ("1", "abc"), ": row 2 holds 'abc', and training rows have numbers there"),
        (("1", "2"), ("1e99",), ": row 1 holds 1e+99; numbers must be finite"),
        (("1 kg", "2 kg", "3 kg", "4 kg", "5 kg", "6 kg"), ("3 lb",), "in lb, and training rows are in kg"),
        (("1", "2"), ("1.234",), "which may be 1.234 or 1234"),
        (("2024-01-03", "2024-01-04"), ("yesterday",), ": row 1 holds 'yesterday', and training rows have dates there"),
        (("2024-01-03", "2024-01-04"), ("01/02/2024",), "which may be 2024-02-01 (day-first)"),
        (("12:30", "9:05"), ("noon",), "training rows have times of day there"),
    ],
)
def test_a_cell_of_another_kind_is_named(trained, cells, fault):
    refusal = reread(column(*cells), settled(*trained).format)
    assert isinstance(refusal, Refusal)
    assert fault in refusal.fault


def test_a_number_among_times_is_named():
    refusal = reread(pd.Series([3.5], name="x"), settled("12:30", "9:05").format)
    assert refusal.fault == ": row 1 holds 3.5, and training rows have times of day there"


def test_percent_is_another_unit_than_none():
    column = pd.Series(["30%", "5 %"], name="share")
    refusal = reread(column, CellFormat())
    assert refusal.fault == " holds '30%', in %, and training rows are without a unit"
    assert not isinstance(reread(column, CellFormat(unit="%")), Refusal)
    assert not isinstance(reread(pd.Series(["30 €"], name="price"), CellFormat()), Refusal)
