"""A column as numbers."""

import numpy as np
import pandas as pd
import pytest

from metaopt.tasks.tables.columns.cells import typed
from metaopt.tasks.tables.columns.conversion import CellFormat, Converted, How, convert, decimal_in
from metaopt.tasks.tables.refusal import Refusal
from metaopt.tasks.tables.settings import TableSettings


def column(*cells):
    return typed(pd.Series(list(cells), dtype=object, name="x"))


@pytest.mark.parametrize(
    ("cells", "meaning"),
    [
        (["1", "2"], "number"),
        (["True", "False"], "boolean"),
        (["5 €", "7,50 €"], "number (EUR), decimal comma"),
        (["5%", "-", "6%"], "number (%), - as gaps"),
        (["1.5", "n/a"], "number, n/a as gaps"),
        (["13.01.2024", "03.01.2024"], "date, day first"),
        (["2024-01-03 12:30", "2024-01-03"], "date and time"),
        (["20240103", "20240104"], "date"),
        (["12:30", "9:05"], "time of day"),
        (["100:30:00"], "duration in hours"),
    ],
)
def test_it_is_said_what_a_column_is(cells, meaning):
    converted = convert(column(*cells), How())
    assert isinstance(converted, Converted), converted
    assert converted.meaning == meaning


def test_labels_are_none():
    assert convert(column("red", "blue", "1"), How()) is None


def test_a_date_is_never_a_number():
    assert convert(column("03.01.2024", "13.01.2024"), How()).moments is not None
    assert convert(column("03.2024", "12.2023"), How()).moments is not None
    assert isinstance(convert(column("03.01.2024", "03.02.2024"), How()), Refusal)


def test_a_cell_that_is_no_number_is_named_and_offered_as_a_gap():
    refusal = convert(column("1.5", "abc", "2.5"), How())
    assert refusal.fault == ": row 2 after the header holds 'abc' among numbers"
    assert refusal.settings == {"gaps": ["abc"]}
    assert convert(column("2024-01-03", "2024-02-31"), How()).fault.endswith("holds '2024-02-31' among dates")


def test_the_owner_settles_dates():
    how = How(TableSettings(dates={"x": "month-first"}))
    assert str(convert(column("03/01/2024"), how).moments.values[0])[:10] == "2024-03-01"
    assert How(TableSettings(day_first=True)).order_of("x") == "day-first"
    assert How().order_of("x") is None
    months = convert(column("2010-11", "2011-12"), How(TableSettings(dates={"x": "year-first"})))
    assert str(months.moments.values[1])[:7] == "2011-12"


def test_other_columns_settle_the_decimal_mark():
    doubtful = column("1.234", "2.345")
    assert decimal_in(pd.DataFrame({"x": doubtful}), TableSettings()) is None
    assert decimal_in(pd.DataFrame({"x": doubtful, "y": [0.5, 1.25]}), TableSettings()) == "."
    commas = pd.DataFrame({"x": doubtful, "y": ["0,5", "1,25"]})
    assert decimal_in(commas, TableSettings()) == ","
    assert convert(doubtful, How(decimal=",")).parts["x"].tolist() == [1234, 2345]
    assert decimal_in(commas.assign(z=[0.5, 1.25]), TableSettings()) is None
    assert decimal_in(commas, TableSettings(decimal=".")) == "."


def test_dates_of_other_files_keep_their_type():
    converted = convert(pd.Series(pd.to_datetime(["2024-01-03", None]), name="x"), How())
    assert converted.meaning == "date"
    assert np.isnan(converted.parts["x: year"].iloc[1])


@pytest.mark.parametrize(
    ("cells", "format"),
    [
        (["1", "2"], CellFormat()),
        (["1.5", "2"], CellFormat(decimal=".")),
        (["True", "False"], CellFormat("boolean")),
        (["5 €", "7,50 €"], CellFormat(decimal=",", unit="EUR")),
        (["13.01.2024", "03.01.2024"], CellFormat("date", order="day-first")),
        (["2024-01-03 12:30", "2024-01-03"], CellFormat("date", has_clock=True)),
        (["12:30", "9:05"], CellFormat("time of day")),
        (["100:30:00"], CellFormat("duration")),
    ],
)
def test_how_cells_were_read_is_kept_for_later_rows(cells, format):
    assert convert(column(*cells), How()).format == format


def test_the_column_of_time_keeps_that_its_years_do_not_count():
    converted = convert(column("2024-01-03", "2024-01-04"), How(TableSettings(time="x")))
    assert converted.format == CellFormat("date", elapsed=False)
