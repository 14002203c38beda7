"""Hyperparameters that differ from their defaults stand before the others; none is lost."""

import pytest

from metaopt.report.hyperparameters import by_change
from metaopt.report.tables import Table, recipe_table

ROWS = (
    ("optimizer adamw", "lr", "0.01", "0.001"),
    ("", "beta1", "0.9", "0.9"),
    ("controller cosine", "warmup", "0", "0"),
    ("stopper any", "", "", ""),
    ("stopper patience", "patience", "0.2", "0.1"),
    ("", "unit", "auto", "auto"),
)


def test_each_row_goes_to_one_table_with_the_name_of_its_plugin():
    changed, same = by_change(Table("adamw", ("plugin", "hyperparameter", "value", "default"), ROWS, 2))
    assert changed.rows == (ROWS[0], ROWS[3], ROWS[4])
    assert same.rows == (
        ("optimizer adamw", "beta1", "0.9", "0.9"),
        ROWS[2],
        ("stopper patience", "unit", "auto", "auto"),
    )
    assert same.title == "adamw: defaults"


@pytest.mark.thorough
def test_none_of_a_recipe_is_lost(result):
    whole = recipe_table(result.recipe)
    changed, same = by_change(whole)
    assert len(changed.rows) + len(same.rows) == len(whole.rows)
    assert all(row[0] for table in (changed, same) for row in table.rows[:1])
