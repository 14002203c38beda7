"""Reading one CSV file."""

import gzip
import re

import pytest

from metaopt.errors import InputError
from metaopt.tasks.csv_file import read_csv

ROWS = "".join(f"{index},{index % 3},{index % 2}\n" for index in range(12))


def write(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_as_it_is(tmp_path):
    frame = read_csv(write(tmp_path, f"a, b ,target\n{ROWS}"))
    assert list(frame.columns) == ["a", "b", "target"]
    assert frame.shape == (12, 3)


def test_a_compressed_table_is_the_same_table(tmp_path):
    plain = write(tmp_path, f"a,b,target\n{ROWS}")
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_csv(packed).equals(read_csv(plain))


@pytest.mark.parametrize("gap", ["", "?", "NA", "nan", "null"])
def test_gaps_are_gaps_however_they_are_written(tmp_path, gap):
    frame = read_csv(write(tmp_path, f"a,b,target\n{gap},1,0\n{ROWS}"))
    assert frame["a"].isna().sum() == 1


def test_none_is_a_category_and_no_gap(tmp_path):
    frame = read_csv(write(tmp_path, f"a,b,target\nNone,1,0\n{ROWS}"))
    assert frame["a"].iloc[0] == "None"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "table.csv is empty; it needs a header and rows."),
        ("target\n" + "1\n" * 12, "table.csv has only the column 'target'; it needs features and, last, a target"),
        ("a;b;target\n" + "1;2;0\n" * 12, "table.csv has only the column 'a;b;target'; it needs features and"),
        ("a,b,target\n1,2,0\n3,4,1\n", "table.csv has 2 rows; a table needs at least 10"),
        ("a,b,target\n", "table.csv has 0 rows; a table needs at least 10"),
        ("5.1,3.5,setosa\n" + "4.9,3.0,setosa\n" * 12, "has the number '5.1' for a column's name; its first line must"),
        ("a,b,target\n" + "1,2,0,7\n" * 12, "table.csv has rows with more cells than its header has names"),
        (
            f"a,b,target\n{ROWS}1,2,0,7\n",
            "table.csv cannot be read as CSV: Expected 3 fields in line 14, saw 4; correct",
        ),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_csv(write(tmp_path, text))


def test_other_encodings_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(f"größe,b,target\n{ROWS}".encode("latin-1"))
    with pytest.raises(
        InputError, match=r"table\.csv is not UTF-8 text \(invalid start byte at byte 2\); save it as UTF-8\."
    ):
        read_csv(path)


def test_a_file_that_only_claims_to_be_compressed_is_refused(tmp_path):
    path = write(tmp_path, f"a,b,target\n{ROWS}", "table.csv.gz")
    with pytest.raises(InputError, match=r"table\.csv\.gz cannot be read as CSV: Not a gzipped file"):
        read_csv(path)


def test_a_truncated_compressed_file_is_refused(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(f"a,b,target\n{ROWS * 50}".encode())[:-20])
    with pytest.raises(InputError, match=r"table\.csv\.gz cannot be read as CSV: "):
        read_csv(path)
