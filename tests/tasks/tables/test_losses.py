"""What is trained on."""

import numpy as np
import pandas as pd
import pytest
import torch

from metaopt.errors import InputError
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import task_from_frame


def make(**settings):
    generator = np.random.default_rng(0)
    labels = np.where(np.arange(80) % 8 == 0, "rare", "common")
    frame = pd.DataFrame({"x": generator.normal(size=80), "target": labels})
    return task_from_frame(frame, "t", TableSettings(**settings), "t.csv")


def test_rare_classes_weigh_as_much_as_common_ones_where_the_owner_says_so():
    task = make(class_weights="balanced")
    counts = torch.bincount(task.splits.train.targets)
    weights = task.loss.keywords["weight"]
    torch.testing.assert_close(weights, counts.sum() / (2 * counts))
    output = torch.zeros(80, 2, requires_grad=True)
    task.loss(output, torch.arange(80) % 2).backward()
    assert output.grad is not None
    assert task.fingerprint != make().fingerprint


def test_weights_are_given_for_each_class():
    assert make(class_weights={"common": 1.0, "rare": 5.0}).loss.keywords["weight"].tolist() == [1, 5]
    with pytest.raises(InputError, match=r"has the classes common, rare; class_weights .* got rare"):
        make(class_weights={"rare": 5.0})


def test_a_regression_has_no_classes():
    frame = pd.DataFrame({"x": np.arange(40) / 7, "y": np.arange(40) / 3})
    with pytest.raises(InputError, match="is a regression, which has no classes"):
        task_from_frame(frame, "t", TableSettings(class_weights="balanced"), "t.csv")
