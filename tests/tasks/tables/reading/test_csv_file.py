"""Reading one CSV file."""

import gzip
import re

import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.reading.csv_file import read_csv, read_texts
from metaopt.tasks.tables.refusal import UnusableTableError
from metaopt.tasks.tables.settings import TableSettings

ROWS = "".join(f"{index},{index % 3},{index % 2}\n" for index in range(12))


def read(path, **settings):
    return read_csv(path, TableSettings(**settings)).frame


def write(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_as_it_is(tmp_path):
    frame = read(write(tmp_path, f"a, b ,target\n{ROWS}"))
    assert list(frame.columns) == ["a", "b", "target"]
    assert frame.shape == (12, 3)


def test_a_compressed_table_is_the_same_table(tmp_path):
    plain = write(tmp_path, f"a,b,target\n{ROWS}")
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(packed).equals(read(plain))


@pytest.mark.parametrize("gap", ["", "?", "NA", "nan", "null"])
def test_gaps_are_gaps_however_they_are_written(tmp_path, gap):
    frame = read(write(tmp_path, f"a,b,target\n{gap},1,0\n{ROWS}"))
    assert frame["a"].isna().sum() == 1


def test_none_is_a_category_and_no_gap(tmp_path):
    frame = read(write(tmp_path, f"a,b,target\nNone,1,0\n{ROWS}"))
    assert frame["a"].iloc[0] == "None"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "table.csv is empty; it needs a header and rows."),
        ("target\n" + "1\n" * 12, "table.csv has only the column 'target'; it needs features and, last, a target"),
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
        read(write(tmp_path, text))


def test_western_letters_of_windows_are_read_and_it_says_so(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(f"größe,b,target\n{ROWS}".encode("cp1252"))
    file = read_csv(path)
    assert list(file.frame.columns) == ["größe", "b", "target"]
    assert (file.encoding, file.is_encoding_assumed) == ("cp1252", True)


def test_a_file_that_only_claims_to_be_compressed_is_refused(tmp_path):
    path = write(tmp_path, f"a,b,target\n{ROWS}", "table.csv.gz")
    with pytest.raises(InputError, match=r"table\.csv\.gz cannot be read as CSV: Not a gzipped file"):
        read(path)


def test_a_truncated_compressed_file_is_refused(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(f"a,b,target\n{ROWS * 50}".encode())[:-20])
    with pytest.raises(InputError, match=r"table\.csv\.gz cannot be read as CSV: "):
        read(path)


@pytest.mark.parametrize("header", ["x,x ,t", "t ,y,t", "x,x,t", " x,\tx,t", "x,\u00a0x,t", "y,x,y"])
def test_two_columns_of_one_name_are_refused(tmp_path, header):
    with pytest.raises(
        InputError, match=r"has several columns of one name, [xty] \(spaces around names do not count\)"
    ):
        read(write(tmp_path, f"{header}\n{ROWS}"))


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\ufeff", " \ufeff"])
def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path, mark):
    assert list(read(write(tmp_path, f"{mark}a,b,t\n{ROWS}")).columns) == ["a", "b", "t"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(tmp_path, newline):
    path = tmp_path / "t.csv"
    path.write_bytes(f'a,"b",t\n{ROWS}'.replace("\n", newline).encode())
    assert read(path).equals(read(write(tmp_path, f"a,b,t\n{ROWS}", "same.csv")))


def test_quotes_are_no_part_of_a_cell(tmp_path):
    quoted = "".join(f'"{index}", "{index % 3}" ,{index % 2}\n' for index in range(12))
    assert read(write(tmp_path, f"a,b,t\n{quoted}")).equals(read(write(tmp_path, f"a,b,t\n{ROWS}", "same.csv")))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("names", [["a", "b", "t"], ["price, net", "b", "t"]])
def test_another_separator_is_found(tmp_path, separator, names):
    rows = "".join(separator.join(["3,5", str(index), "0"]) + "\n" for index in range(12))
    frame = read(write(tmp_path, separator.join(names) + "\n" + rows))
    assert list(frame.columns) == names
    assert frame["b"].tolist() == list(range(12))


@pytest.mark.parametrize("again", ["a,b,t", "a , b,t ", '"a",b,t'])
def test_the_header_in_the_middle_is_refused(tmp_path, again):
    with pytest.raises(InputError, match=r"row 13 after the header is the header again \(2 such rows in all\)"):
        read(write(tmp_path, f"a,b,t\n{ROWS}{again}\n{ROWS}a,b,t\n"))


@pytest.mark.parametrize(
    ("header", "row"),
    [("3,5,yes", "3,{},yes"), ("4,1,7", "{},2,1"), ("red,small,yes", "{1},small,yes"), ("5,3,no", "5,3,no")],
)
def test_a_table_without_a_header_is_refused(tmp_path, header, row):
    rows = "".join(row.format(index, "red" if index % 2 else "blue") + "\n" for index in range(12))
    with pytest.raises(InputError, match=r"must be a header|is the header again"):
        read(write(tmp_path, f"{header}\n{rows}"))


@pytest.mark.parametrize("header", ["0,1,2", "2019,2020,2021", "30,20,10", "1,2,class"])
def test_columns_may_be_called_by_numbers_in_order(tmp_path, header):
    assert list(read(write(tmp_path, f"{header}\n{ROWS}")).columns) == header.split(",")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_read(tmp_path, encoding):
    path = tmp_path / "table.csv"
    path.write_bytes(f"a,b,target\n{ROWS}".encode(encoding))
    assert read(path).equals(read(write(tmp_path, f"a,b,target\n{ROWS}", "same.csv")))


def test_null_bytes_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds null bytes, the first in line 1202"):
        read(write(tmp_path, f"a,b,target\n{ROWS * 100}\0{ROWS}"))


def test_labels_keep_the_zeros_in_front(tmp_path):
    rows = "".join(f"{index},0{index % 3},{index % 2}\n" for index in range(12))
    path = write(tmp_path, f"a,b,target\n{rows}")
    assert read(path)["b"].tolist()[:3] == [0, 1, 2]
    assert read_csv(path).padded == ("b",)
    assert read(path, categories=("b",))["b"].tolist()[:3] == ["00", "01", "02"]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("Report\n2024\na,b,t\n" + ROWS, {"skip_lines": 2}, "begins with 2 lines that are no header and no row"),
        ("Report,,\n,,\nof,2024,\na,b,t\n" + ROWS, {"skip_lines": 3}, "begins with 3 lines that are no header"),
        ("# made by hand\na,b,t\n" + ROWS, {"comment": "#"}, "begins with comments such as '# made by hand'"),
        ("a,b,a\n" + ROWS, {"number_names": True}, "several columns of one name, a"),
        ("0.5,1,0\n" + ROWS, {"header": False}, "has the number '0.5' for a column's name"),
        ("a,b,t\n" + ROWS + "a,b,t\n" + ROWS, {"drop_rows": ("repeated_header",)}, "is the header again"),
        ("a,b,t\n" + ROWS + "1,2,3,4\n" + ROWS, {"drop_rows": ("ragged",)}, "Expected 3 fields in line 14, saw 4"),
    ],
)
def test_what_is_no_table_by_itself_is_one_once_somebody_says_so(tmp_path, text, settings, message):
    path = write(tmp_path, text)
    with pytest.raises(UnusableTableError, match=message) as caught:
        read(path)
    proposed = caught.value.refusals[0].settings
    assert {key: tuple(value) if isinstance(value, list) else value for key, value in proposed.items()} == settings
    frame = read(path, **settings)
    assert frame.shape[1] == 3
    assert len(frame) in (12, 13, 24)


def test_empty_columns_and_rows_at_the_end_are_none(tmp_path):
    rows = "".join(f"{index};{index % 3};{index % 2};;\n" for index in range(12))
    frame = read(write(tmp_path, f"a;b;t;;\n{rows};;;;\n;;;;\n"))
    assert list(frame.columns) == ["a", "b", "t"]
    assert len(frame) == 12
    short = "".join(f"{index},{index % 3},{index % 2},\n" for index in range(12))
    assert list(read(write(tmp_path, f"a,b,t\n{short}")).columns) == ["a", "b", "t"]


def test_an_empty_text_at_the_end_of_one_column_is_a_row(tmp_path):
    path = write(tmp_path, 'text\na ball\n""\n\na goal\n""\n\n')
    texts = read_texts(path, TableSettings(), least_rows=1, least_columns=1)
    assert texts.cells["text"].tolist() == ["a ball", "", "a goal", ""]


def test_a_first_line_may_say_the_separator(tmp_path):
    assert list(read(write(tmp_path, "sep=|\na|b|t\n" + ROWS.replace(",", "|"))).columns) == ["a", "b", "t"]


def test_marks_and_blanks_say_yes_and_no(tmp_path):
    rows = "".join(f"{'x' if index % 3 else ''},{index},{index % 2}\n" for index in range(12))
    assert read(write(tmp_path, f"a,b,t\n{rows}"))["a"].tolist() == [index % 3 > 0 for index in range(12)]


def test_only_the_owner_makes_numbers_gaps(tmp_path):
    rows = "".join(f"{-999 if index == 3 else index},{index},{index % 2}\n" for index in range(12))
    path = write(tmp_path, f"a,b,t\n{rows}")
    assert read(path)["a"].isna().sum() == 0
    assert read(path, gaps=("-999",))["a"].isna().sum() == 1


def test_columns_of_ticks_are_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "x,yes,1\n,no,2\n" * 6)
    assert read_csv(path).ticked == ("a",)
