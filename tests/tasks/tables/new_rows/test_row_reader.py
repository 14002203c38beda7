"""Rows of files and data frames, whatever they look like, as the inputs that training rows had."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from metaopt.errors import InputError
from metaopt.tasks.tables.csv_folder import table_task
from metaopt.tasks.tables.new_rows.prepared import PreparedRows
from metaopt.tasks.tables.new_rows.row_reader import RowReader, unknown_labels

TOML = '[shop]\ndrop = ["id"]\ncategories = ["zip"]\nhash = ["colour"]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place, draw = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    rows = [
        f"K{row:03};{draw.integers(1, 29):02}.{draw.integers(1, 13):02}.2023;{draw.uniform(0, 90):.2f} €"
        + f";{draw.choice(['Rome', 'Oslo', ''])};{draw.choice(['0101', '0202'])};{draw.choice(['red', 'blue'])};"
        + f"{draw.choice(['x', ''])};{draw.uniform(0, 50):.1f}"
        for row in range(90)
    ]
    (place / "shop.csv").write_text("\n".join(["id;day;price;town;zip;colour;new;sold", *rows]), encoding="utf-8")
    (place / "corpus.toml").write_text(TOML)
    return place


@pytest.fixture(scope="module")
def reader(folder):
    splits = table_task(folder / "shop.csv").splits
    return PreparedRows.of(splits.table, np.arange(90), splits.settings).reader


def test_the_training_file_is_read_as_it_was_for_training(reader, folder):
    splits = table_task(folder / "shop.csv").splits
    reference = PreparedRows.of(splits.table, np.arange(90), splits.settings).reader.split(splits.table, np.arange(90))
    torch.testing.assert_close(reader.read(folder / "shop.csv").inputs, reference.inputs, rtol=0, atol=0)


def test_a_reader_is_plain_json(reader, folder):
    again = RowReader.from_json(json.loads(json.dumps(reader.to_json())))
    assert again == reader
    torch.testing.assert_close(
        again.read(folder / "shop.csv").inputs, reader.read(folder / "shop.csv").inputs, rtol=0, atol=0
    )


def test_one_row_in_another_order_dialect_and_encoding_is_the_same_row(reader, tmp_path):
    (tmp_path / "a.csv").write_text("id;day;price;town;zip;colour;new\nK1;02.03.2023;12.50 €;Rome;0101;red;x\n")
    (tmp_path / "b.tsv").write_bytes(
        "new\ttown\tmore\tprice\tcolour\tzip\tday\nx\tRome\t?\t€12,50\tred\t0101\t2023-03-02\n".encode("utf-16")
    )
    frame = pd.DataFrame(
        {"zip": ["0101"], "day": pd.to_datetime(["2023-03-02"]), "price": [12.5], "town": ["Rome"], "colour": ["red"],
         "new": [True]}
    )  # fmt: skip
    first = reader.read(tmp_path / "a.csv").inputs
    torch.testing.assert_close(reader.read(tmp_path / "b.tsv").inputs, first, rtol=0, atol=0)
    torch.testing.assert_close(reader.read(frame).inputs, first, rtol=0, atol=0)


def test_labels_that_training_rows_do_not_have_are_told(reader):
    frame = pd.DataFrame(
        {"zip": [101.0, 909.0], "day": ["02.03.2023", ""], "price": ["5 €", None], "town": ["Rome", "Mars"],
         "colour": ["green", "red"], "new": [False, True]}
    )  # fmt: skip
    rows = reader.read(frame)
    assert rows.unknown == {"town": ("Mars",), "zip": ("909.0",)}
    assert unknown_labels(rows)[0].startswith("column 'town' has Mars, which no training row has")
    assert torch.isfinite(rows.inputs).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day;price;town\n1.1.2023;5;Rome\n", "lacks the columns zip, colour, new"),
        (
            "day;prise;town;zip;colour;new\n1.1.2023;5;Rome;1;red;x\n",
            "lacks the column price (did you mean 'prise'?)",
        ),
        ("day;price;town;zip;colour;new\n13.1.2023;cheap;Rome;1;red;x\n", "column 'price': row 1 holds 'cheap'"),
        ("day;price;town;zip;colour;new\n", "0 rows"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(reader, tmp_path, text, message):
    (tmp_path / "new.csv").write_text(text)
    with pytest.raises(InputError) as error:
        reader.read(tmp_path / "new.csv")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_frame_without_rows_is_refused(reader):
    frame = pd.DataFrame({name: [] for name in ("day", "price", "town", "zip", "colour", "new")})
    with pytest.raises(InputError, match="The data frame has no rows"):
        reader.read(frame)
