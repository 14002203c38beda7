"""Names of columns."""

from pathlib import Path

import pandas as pd
import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.reading.csv_file import read_csv
from metaopt.tasks.tables.reading.header import check_header, names_of, without_header_again
from metaopt.tasks.tables.settings import TableSettings

PATH = Path("t.csv")


def names(text, separator=",", **settings):
    return names_of(text, PATH, separator, TableSettings(**settings))


def test_names_have_no_spaces_around_and_what_has_none_is_numbered():
    assert names(" a ,b,\n") == ["a", "b", "Unnamed: 2"]


def test_a_file_without_a_header_has_numbered_columns():
    assert names("1,2,3\n", header=False) == ["column 1", "column 2", "column 3"]


def test_columns_of_one_name_are_told_apart_where_the_owner_says_so():
    assert names("a,a,a 2,b\n", number_names=True) == ["a", "a 2", "a 2 2", "b"]
    with pytest.raises(InputError, match="number_names = true"):
        names("a,a\n")


def test_one_column_is_no_table():
    with pytest.raises(InputError, match=r"only the column 'a'; it needs features and, last, a target"):
        names("a\n1\n")


def test_a_first_row_of_data_is_no_header():
    cells = pd.DataFrame({0: ["1.5", "2.5"], 1: ["x", "y"]})
    with pytest.raises(InputError, match="header = false"):
        check_header(["0.5", "x"], cells, PATH)
    with pytest.raises(InputError, match=r"the number '0,5'"):
        check_header(["0,5", "z"], cells, PATH)
    check_header(["a", "b"], cells, PATH)


def test_the_header_again_is_left_out_where_the_owner_says_so():
    cells = pd.DataFrame({0: ["1", "a", "2"], 1: ["x", "b", "y"]})
    with pytest.raises(InputError, match="row 2 after the header is the header again"):
        without_header_again(["a", "b"], cells, PATH, TableSettings())
    kept = without_header_again(["a", "b"], cells, PATH, TableSettings(drop_rows=("repeated_header",)))
    assert kept[0].tolist() == ["1", "2"]


def test_a_first_text_with_its_label_is_no_header(tmp_path):
    lines = [f"{'ham' if row % 2 else 'spam'}\tthis is the message number {row}" for row in range(20)]
    (tmp_path / "mail.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match="looks like a text, 'this is the message number 0', with its label 'spam'"):
        read_csv(tmp_path / "mail.csv", TableSettings())
    assert len(read_csv(tmp_path / "mail.csv", TableSettings(header=False)).frame) == 20
    answers = [f"well {row}\tgood" for row in range(20)]
    (tmp_path / "asked.csv").write_text("\n".join(["how are you now\tmood", *answers]))
    assert list(read_csv(tmp_path / "asked.csv", TableSettings()).frame.columns) == ["how are you now", "mood"]
