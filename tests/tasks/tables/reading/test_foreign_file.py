"""Files under names that are not theirs are known by how they begin."""

import gzip
import io
import sqlite3
import zipfile

import pandas as pd
import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.csv_folder import read_table
from metaopt.tasks.tables.reading.foreign_file import foreign_kind
from metaopt.tasks.tables.settings import TableSettings


def workbook():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


def database(folder):
    with sqlite3.connect(folder / "some.db") as connection:
        connection.execute("create table rows (a)")
    connection.close()
    return (folder / "some.db").read_bytes()


def parquet():
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    content = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_parquet(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("workbook", "is a workbook or another zip archive, and no text; save it as CSV."),
        ("gzip", "is compressed by gzip; end its name in .gz, too."),
        ("parquet", "is a Parquet file; end its name in .parquet."),
        ("database", "is a database; export its table as CSV."),
        ("page", "is a web page; download the file that it shows, or save it as text."),
    ],
)
def test_a_file_that_is_no_csv_is_called_what_it_is(tmp_path, name, sentence):
    contents = {
        "workbook": workbook,
        "gzip": lambda: gzip.compress(b"a,b\n1,2\n"),
        "parquet": parquet,
        "database": lambda: database(tmp_path),
        "page": lambda: b"\n<!DOCTYPE html><html></html>",
    }
    path = tmp_path / "rows.csv"
    path.write_bytes(contents[name]())
    with pytest.raises(InputError) as error:
        read_table(path, TableSettings())
    assert str(error.value) == f"{path} {sentence}"


def test_text_is_text():
    for content in (b"", b"a,b\n", "größe;x\n".encode("utf-16"), b"\xef\xbb\xbfa,b\n"):
        assert foreign_kind(content) is None
