"""Rows to train on are those that a task of the table has."""

import numpy as np
import pandas as pd
import pytest
import torch

from metaopt.tasks.tables.new_rows.prepared import PreparedRows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import task_from_frame


def task_of(target, **settings):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": draw.normal(size=600),
            "b": draw.choice(["x", "y"], 600),
            "street": [f"s{code}" for code in draw.integers(0, 150, 600)],
        }
    )
    frame["target"] = frame.a + (frame.b == "x") if target == "number" else np.where(frame.a > 0, "up", "down")
    return task_from_frame(frame, "t", TableSettings(**settings), "t.csv")


@pytest.mark.parametrize("target", ["number", "class"])
def test_inputs_and_targets_are_those_of_the_task(target):
    splits = task_of(target).splits
    prepared = PreparedRows.of(splits.table, splits.own[0], splits.settings)
    for rows, reference in zip(splits.own[1:], (splits.validation, splits.test), strict=True):
        torch.testing.assert_close(prepared.reader.split(splits.table, rows).inputs, reference.inputs, rtol=0, atol=0)
        torch.testing.assert_close(prepared.reader.split(splits.table, rows).targets, reference.targets, rtol=0, atol=0)
    torch.testing.assert_close(prepared.train.inputs, splits.train.inputs, rtol=0, atol=0)
    torch.testing.assert_close(prepared.train.targets, splits.train.targets, rtol=0, atol=0)


def test_no_training_row_sees_its_own_target():
    splits = task_of("number").splits
    prepared = PreparedRows.of(splits.table, splits.own[0], splits.settings)
    again = prepared.reader.split(splits.table, splits.own[0])
    assert not torch.equal(prepared.train.inputs, again.inputs)
