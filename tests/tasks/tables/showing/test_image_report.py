"""What a table of images becomes."""

import pytest

from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.folder_report import inspect_folder
from metaopt.tasks.tables.showing.table_report import report_of
from tests.tasks.example_folders import write_image

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_columns_are_image_target_or_no_input_and_what_is_pasted_trains(tmp_path):
    rows = ["file,age,kind"]
    for row in range(30):
        write_image(tmp_path / f"{row}.png", row)
        rows.append(f"{row}.png,{row},{'ab'[row % 2]}")
    (tmp_path / "labels.csv").write_text("\n".join([*rows, "gone.png,3,a"]) + "\n")
    report = inspect_folder(tmp_path)
    assert report.toml == '[labels]\ndrop_rows = ["no_image"]\n'
    (tmp_path / "corpus.toml").write_text(report.toml)
    (table,) = inspect_folder(tmp_path).tables
    assert table.refusals == ()
    assert table.columns == {"file": "image: 8×8, grey", "age": "no input beside the image", "kind": "target"}
    assert table.facts["classes"] == {"a": 15, "b": 15}
    assert (table.facts["rows"], table.facts["rows left out"]) == (30, 1)
    settings = TableSettings(drop_rows=("no_image",), augment=("flip",))
    augmented = report_of(tmp_path / "labels.csv", "labels", settings)
    assert augmented.facts["inputs"] == "images of 1×8×8, changed by flip while training"
