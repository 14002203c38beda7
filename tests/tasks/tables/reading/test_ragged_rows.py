"""Rows with more cells than names."""

from pathlib import Path

import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.reading.ragged_rows import mended
from metaopt.tasks.tables.settings import TableSettings


def mend(text, **settings):
    return mended(text, 2, Path("t.csv"), ",", TableSettings(**settings))


def test_empty_cells_at_the_end_are_none():
    assert mend("a,b\n1,2,,\n3,4\n5\n").to_numpy().tolist() == [["1", "2"], ["3", "4"], ["5", ""]]


def test_a_row_that_is_too_long_is_named():
    with pytest.raises(InputError, match=r'Expected 2 fields in line 3, saw 3; .* drop_rows = \["ragged"\]'):
        mend("a,b\n1,2\n1,2,3\n3,4\n")
    assert len(mend("a,b\n1,2\n1,2,3\n3,4\n", drop_rows=("ragged",))) == 2


def test_a_header_that_is_too_short_mends_nothing():
    assert mend("a,b\n1,2,3\n4,5,6\n") is None


def test_what_is_no_csv_mends_nothing():
    assert mend('a,b\n"1,2\n') is None
