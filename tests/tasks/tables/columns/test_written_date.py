"""One date as it is written."""

import pytest

from metaopt.tasks.tables.columns.written_date import written_date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2021-01-31", (2021, 1, 31)),
        ("2021/1/5", (2021, 1, 5)),
        ("20210131", (2021, 1, 31)),
        ("Jan 5, 2021", (2021, 1, 5)),
        ("Mon, 5 Jan 2021", (2021, 1, 5)),
        ("Monday, January 5th, 2021", (2021, 1, 5)),
        ("1st March 2021", (2021, 3, 1)),
        ("5. Januar 2021", (2021, 1, 5)),
        ("2. März 2021", (2021, 3, 2)),
        ("5 janvier 2021", (2021, 1, 5)),
        ("7 juillet 2021", (2021, 7, 7)),
        ("2 août 2021", (2021, 8, 2)),
        ("5 de enero de 2021", (2021, 1, 5)),
        ("3 dicembre 2021", (2021, 12, 3)),
        ("2021年1月5日", (2021, 1, 5)),
        ("2021-W05", (2021, 2, 1)),
        ("2021-W05-3", (2021, 2, 3)),
        ("07/2021", (2021, 7, 1)),
        ("03.2024", (2024, 3, 1)),
        ("Sat Nov 28 22:30:35 2021", (2021, 11, 28)),
        ("05/Jan/2021:12:00:00 +0000", (2021, 1, 5)),
        ("20210110T120000Z", (2021, 1, 10)),
    ],
)
def test_a_date_that_says_its_order_is_read(text, date):
    assert written_date(text).date == date


def test_numbers_are_left_to_the_column():
    written = written_date("03.01.24 9:05")
    assert (written.date, written.numbers, written.seconds) == (None, ("03", "01", "24"), 9 * 3600 + 300)
    assert written.short_year


@pytest.mark.parametrize("text", ["Jan 21", "5-Jan", "2021", "1.5", "may", "", "version 1.2.3"])
def test_what_may_be_something_else_is_no_date(text):
    assert written_date(text) is None
