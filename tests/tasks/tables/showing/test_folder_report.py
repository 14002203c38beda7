"""What a folder would be trained on; what is pasted trains."""

import json

import pytest

import metaopt
from metaopt.errors import InputError
from metaopt.tasks.tables.showing.folder_report import inspect_folder

PEOPLE = "id,day,score,target\n" + "".join(
    f"{row + 1},0{row % 9 + 1}/0{row % 7 + 1}/2024,{row % 7},{'yes' if row % 3 else 'no'}\n" for row in range(60)
)
RENTS = "Ort;Miete\n" + "".join(f"{'Köln' if row % 2 else 'Bonn'};1.{row:03},50\n" for row in range(1, 50))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "rents.csv").write_bytes(RENTS.encode("cp1252"))
    (tmp_path / "corpus.toml").write_text("[defaults]\nnum_steps = 30\n[people]\nnum_steps = 20\n")
    return tmp_path


def test_what_is_pasted_trains_at_once(folder):
    with pytest.raises(InputError, match=r"people\.csv has 2 columns that cannot be used"):
        metaopt.load_corpus(folder)
    report = inspect_folder(folder)
    assert [table.name for table in report.tables if table.refusals] == ["people"]
    (folder / "corpus.toml").write_text(report.toml, encoding="utf-8")
    people, rents = metaopt.load_corpus(folder)
    assert (people.num_steps, rents.num_steps) == (20, 30)
    assert rents.family == "tabular_regression"
    again = inspect_folder(folder)
    assert again.toml == ""
    assert not any(table.refusals for table in again.tables)


def test_it_is_plain_json(folder):
    document = json.loads(json.dumps(inspect_folder(folder).as_json()))
    assert [table["name"] for table in document["tables"]] == ["people", "rents"]


def test_workbooks_are_named(folder, tmp_path):
    (folder / "more.xlsx").write_bytes(b"PK")
    assert "more.xlsx' is a workbook, which is not read" in inspect_folder(folder).notes[0]
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "more.xlsx").write_bytes(b"PK")
    with pytest.raises(
        InputError, match=r"more\.xlsx' is a workbook, which is not read; save each of its sheets as CSV"
    ):
        metaopt.load_corpus(alone)


def test_the_faults_of_several_tables_fit_in_one_sentence(folder):
    for number in range(30):
        (folder / f"more_{number}.csv").write_text(PEOPLE)
    with pytest.raises(InputError, match=r"31 tables cannot be used; metaopt show prints all of it") as caught:
        metaopt.load_corpus(folder)
    assert len(str(caught.value)) < 500
