"""The columns and labels of tables whose input is one column."""

import pandas as pd
import pytest

import metaopt
from metaopt.tasks.tables.example_labels import InputColumns, check_labels, named_columns, usable_columns
from metaopt.tasks.tables.settings import TableSettings

FRAME = pd.DataFrame({"file": ["a", "b", "c"] * 4, "age": range(12), "kind": ["x", "y"] * 6, "who": list("abcd") * 3})


def named(column, **settings):
    return named_columns(FRAME, "image", column, TableSettings(**settings), "table.csv")


def test_the_target_is_the_last_column_or_the_one_that_is_named():
    assert named(None) is None
    assert named("file") == InputColumns("file", "who")
    assert named("file", group="who") == InputColumns("file", "kind")
    assert named("file", target="age") == InputColumns("file", "age")
    assert usable_columns(FRAME, TableSettings(drop=("age",), group="who")) == ["file", "kind"]


@pytest.mark.parametrize(
    ("column", "settings", "sentence"),
    [
        ("fiel", {}, r"has no column 'fiel' \(did you mean 'file'\?\), which image in corpus.toml names"),
        ("file", {"target": "nothing"}, "has no column 'nothing', which target in corpus.toml names"),
        ("file", {"target": "file"}, "needs a column of labels beside the image 'file'; name it as target"),
    ],
)
def test_columns_that_are_not_there_are_refused(column, settings, sentence):
    with pytest.raises(metaopt.InputError, match=sentence):
        named(column, **settings)


def test_labels_keep_their_rows_and_groups():
    labels = check_labels(FRAME, "kind", "images", TableSettings(group="who"), "table.csv")
    assert labels.target.names == ("x", "y")
    assert labels.rows.tolist() == list(range(12))
    assert labels.groups.tolist() == [0, 1, 2, 3] * 3
    assert labels.is_fixed
    assert not check_labels(FRAME, "kind", "images", TableSettings(), "table.csv").is_fixed
