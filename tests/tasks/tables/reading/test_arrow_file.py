"""Parquet and Feather."""

import pandas as pd
import pytest

import metaopt
from metaopt.errors import InputError
from metaopt.tasks.tables.reading.arrow_file import read_arrow
from metaopt.tasks.tables.settings import TableSettings

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(
        {
            "at": pd.date_range("2024-01-01", periods=40, freq="7h", tz="Europe/Berlin"),
            "price": [f"{row},50 €" for row in range(40)],
            "size": pd.array([None, *range(39)], dtype="Int64"),
            "kind": pd.Categorical(["a", "b"] * 20),
            "ok": [True, False] * 20,
            "target": ["yes", "no"] * 20,
        }
    )


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_types_are_kept_and_text_is_read_as_in_other_files(frame, tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    getattr(frame, f"to_{suffix}")(path)
    read = read_arrow(path).frame
    assert read["at"].dtype.kind == "M"
    assert read["size"].isna().sum() == 1
    assert read["ok"].dtype.kind == "b"
    (task,) = metaopt.load_corpus(tmp_path)
    assert task.splits.train.inputs.shape[1] == 9 + 1 + 1 + 2 + 1


def test_only_the_owner_makes_numbers_gaps(tmp_path):
    pd.DataFrame({"a": [-999.0, *range(11)], "b": range(12)}).to_parquet(tmp_path / "t.parquet")
    assert read_arrow(tmp_path / "t.parquet").frame["a"].isna().sum() == 0
    assert read_arrow(tmp_path / "t.parquet", TableSettings(gaps=("-999",))).frame["a"].isna().sum() == 1


def test_what_is_no_table_is_refused(frame, tmp_path):
    lists = pd.DataFrame({"a": [[1, 2]] * 12, "b": range(12)})
    lists.to_parquet(tmp_path / "lists.parquet")
    with pytest.raises(InputError, match="column 'a' holds"):
        read_arrow(tmp_path / "lists.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"broken\.parquet cannot be read: "):
        read_arrow(tmp_path / "broken.parquet", TableSettings())
