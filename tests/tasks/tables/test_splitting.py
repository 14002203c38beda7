"""Which rows train, validate and test."""

import numpy as np
import pytest

from metaopt.tasks.tables.splitting import split_rows


def test_every_row_is_in_one_split():
    rows = split_rows(np.arange(100) % 5, "a")
    assert sorted(np.concatenate(rows)) == list(range(100))
    assert [len(part) for part in rows] == [60, 20, 20]


def test_classes_keep_their_shares():
    classes = np.repeat([0, 1], [900, 100])
    for part in split_rows(classes, "a"):
        assert classes[part].mean() == pytest.approx(0.1)


def test_the_rarest_class_is_in_every_split():
    classes = np.repeat([0, 1], [97, 3])
    assert [classes[part].sum() for part in split_rows(classes, "a")] == [1, 1, 1]
    assert [classes[part].sum() for part in split_rows(classes, "a", 0.45, 0.5)] == [1, 1, 1]


def test_the_name_alone_decides():
    classes = np.zeros(50, dtype=np.int64)
    first, again, other = (split_rows(classes, name)[0].tolist() for name in ("a", "a", "b"))
    assert first == again != other
    assert first[:4] == [33, 2, 10, 12]  # the same in every process and on every machine


def test_what_is_over_the_caps_trains():
    assert [len(part) for part in split_rows(np.zeros(50_000), "a")] == [44_000, 2_000, 4_000]


def test_fractions_are_taken_as_they_are():
    assert [len(part) for part in split_rows(np.zeros(50_000), "a", 0.3, 0.1)] == [30_000, 15_000, 5_000]
