"""Files of rows to predict."""

import pandas as pd
import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.new_rows.new_file import read_new_file
from metaopt.tasks.tables.settings import TableSettings


def read(path, content, **settings):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_new_file(path, TableSettings(**settings))


def test_one_cell_is_enough(tmp_path):
    assert read(tmp_path / "new.csv", "x\n5\n").to_dict("list") == {"x": ["5"]}


def test_cells_stay_as_they_are_written(tmp_path):
    cells = read(tmp_path / "new.csv", "a;b\n007;1,5 €\n")
    assert cells.to_dict("list") == {"a": ["007"], "b": ["1,5 €"]}


def test_the_file_itself_says_what_separates_its_cells(tmp_path):
    assert list(read(tmp_path / "new.csv", "a,b\n1,2\n", separator=";").columns) == ["a", "b"]
    assert list(read(tmp_path / "new.csv", "a~b\n1~2\n", separator="~").columns) == ["a", "b"]


def test_lines_before_the_header_are_skipped_where_the_training_file_had_them(tmp_path):
    report = "Report of May\n\na,b,c\n1,2,3\n4,5,6\n7,8,9\n"
    plain = "a,b,c\n1,2,3\n4,5,6\n7,8,9\n"
    skipped = TableSettings(skip_lines=2)
    for text in (report, plain):
        (tmp_path / "new.csv").write_text(text)
        assert list(read_new_file(tmp_path / "new.csv", skipped).columns) == ["a", "b", "c"]


def test_the_training_files_encoding_is_tried_where_the_file_says_none(tmp_path):
    polish = "miasto,x\nŁódź,1\nŁomża,2\n"
    cells = [
        read(tmp_path / "new.csv", polish.encode(encoding), encoding="cp1250")["miasto"].tolist()
        for encoding in ("cp1250", "utf-8")
    ]
    assert cells == [["Łódź", "Łomża"]] * 2


def test_parquet_has_types(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": [1.5], "b": ["x"]}).to_parquet(tmp_path / "new.parquet")
    frame = read_new_file(tmp_path / "new.parquet", TableSettings())
    assert frame.to_dict("list") == {"a": [1.5], "b": ["x"]}


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.csv", "does not exist"), ("book.xlsx", "is a workbook"), ("notes.txt", "is no table by its name")],
)
def test_what_is_no_table_is_named(tmp_path, name, message):
    if name != "absent.csv":
        (tmp_path / name).write_text("x")
    with pytest.raises(InputError, match=message):
        read_new_file(tmp_path / name, TableSettings())
