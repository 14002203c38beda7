"""One JSON object a line is a row."""

import json

import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.reading.json_lines import read_json_lines
from metaopt.tasks.tables.refusal import UnusableTableError
from metaopt.tasks.tables.settings import TableSettings


def write(path, rows):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return path


def test_values_are_read_as_cells(tmp_path):
    rows = [
        {"n": row, "text": f"a\u2028b\n{row}", "ok": row % 2 == 0, "x": None if row == 3 else 0.5} for row in range(12)
    ]
    frame = read_json_lines(write(tmp_path / "rows.jsonl", [*rows, {"n": 12, "late": "1.234.567"}])).frame
    assert list(frame.columns) == ["n", "text", "ok", "x", "late"]
    assert frame["n"].tolist() == list(range(13))
    assert frame["text"][1] == "a b 1"
    assert frame["ok"][:3].tolist() == [True, False, True]
    assert frame["x"].isna().tolist() == [row in (3, 12) for row in range(13)]


def test_long_numbers_stay_what_they_are(tmp_path):
    rows = "".join(f'{{"id": {10**17 + row}, "y": {row}}}\n' for row in range(12))
    (tmp_path / "rows.jsonl").write_text(rows)
    assert read_json_lines(tmp_path / "rows.jsonl").frame["id"].nunique() == 12


def test_what_is_nested_is_offered_to_drop(tmp_path):
    path = write(tmp_path / "rows.jsonl", [{"a": row, "meta": {"b": 1}, "y": row} for row in range(12)])
    with pytest.raises(
        UnusableTableError, match=r"column 'meta' holds lists or objects, the first in line 1"
    ) as caught:
        read_json_lines(path)
    assert caught.value.refusals[0].settings == {"drop": ["meta"]}
    assert read_json_lines(path, TableSettings(drop=("meta",))).frame.shape == (12, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": 2}\n{"a": 1,\n', r"line 2 is no JSON \(.*\): '\{\"a\": 1,'; correct it"),
        ("[1, 2]\n", r"line 1 must be an object such as"),
        ('{"a": 1}\n', r"has 1 keys; it needs one to learn from and one to predict"),
        ('{"a": 1, "b": 2}\n' * 3, r"has 3 rows; a table needs at least 10"),
        ("[" * 100_000, r"line 1 is no JSON"),
    ],
)
def test_lines_that_are_no_rows_are_named(tmp_path, text, message):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        read_json_lines(tmp_path / "rows.jsonl")
