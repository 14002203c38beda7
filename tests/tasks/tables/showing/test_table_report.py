"""What one table would be trained on."""

import pytest

from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.table_report import report_of

ROWS = "".join(
    f"C{row:04};{row % 12 + 1:02}/0{row % 5 + 1}/2024;{row * 37 % 50},5 €;{'ab'[row % 2]}\n" for row in range(60)
)


def report(folder, text, **settings):
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return report_of(path, "t", TableSettings(**settings))


def test_all_refusals_are_told_at_once_and_what_would_be_without_them(tmp_path):
    shown = report(tmp_path, "made by hand\nkey;day;price;target\n" + ROWS)
    assert shown.trains
    assert len(shown.refusals) == 3
    assert "begins with 1 line that is no header" in shown.refusals[0]
    assert "column 'key' holds free text or identifiers" in shown.refusals[1]
    assert "column 'day' holds dates such as '06/01/2024', which may be 2024-01-06 (day-first)" in shown.refusals[2]
    assert shown.settings == {"skip_lines": 1, "drop": ["key"], "dates": {"day": "day-first"}}
    (choice,) = shown.choices
    assert choice.startswith("or \"month-first\": '06/01/2024' in 'day' is 2024-01-06 (day-first)")


def test_columns_and_numbers_are_told(tmp_path):
    shown = report(tmp_path, "key;day;price;target\n" + ROWS, drop=("key",), day_first=False)
    assert shown.refusals == ()
    assert shown.columns == {
        "key": "dropped",
        "day": "date, month first",
        "price": "number (EUR), decimal comma",
        "target": "target",
    }
    assert shown.facts["classes"] == {"a": 30, "b": 30}
    assert (shown.facts["rows"], shown.facts["inputs"], shown.facts["separator"]) == (60, 7, "semicolons")
    assert (shown.facts["train"], shown.facts["validation"], shown.facts["test"]) == (36, 12, 12)
    assert "points apart" in shown.facts["tells apart"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "id,when\n" + "".join(f"{n % 3},{n}\n" for n in range(5))])
def test_what_no_setting_mends_is_told(tmp_path, text):
    shown = report(tmp_path, text)
    assert not shown.trains
    assert len(shown.refusals) == 1


def test_what_is_pasted_already_stays(tmp_path):
    shown = report(tmp_path, "key;day;price;target\n" + ROWS, drop=("price",), gaps=("-999",))
    assert shown.settings == {"drop": ["price", "key"], "dates": {"day": "day-first"}}
