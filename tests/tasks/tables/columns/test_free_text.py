"""Texts are told from labels and from codes."""

import pandas as pd
import pytest

from metaopt.tasks.tables.columns.free_text import differ_mostly, is_prose


def test_more_than_half_of_the_cells_differ():
    assert differ_mostly(pd.Series([f"text {row}" for row in range(10)]))
    assert not differ_mostly(pd.Series(["yes", "no"] * 10))
    assert not differ_mostly(pd.Series(list("abcde")))


@pytest.mark.parametrize(
    ("cells", "answer"),
    [
        (["Good, but late!", "Never again"], True),
        (["Smith", "O'Neill"], True),
        (["很好", "太晚了"], True),
        (["K00001", "K00002"], False),
        (["3f2a-9912-77", "41ac-2-100"], False),
        (["", " "], False),
    ],
)
def test_prose_is_mostly_letters(cells, answer):
    assert is_prose(pd.Series(cells)) is answer
