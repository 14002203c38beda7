"""Targets between their own unit and what is trained on."""

import numpy as np
import pandas as pd
import pytest
import torch

from metaopt.tasks.tables.new_rows.target_scale import TargetScale
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import check_table


def table(target):
    return check_table(pd.DataFrame({"x": range(12), "y": target}), TableSettings(), "t.csv")


def test_numbers_come_back_in_their_unit():
    checked = table([1000.5 + 10 * row for row in range(12)])
    scale = TargetScale.of(checked, np.arange(6))
    targets = scale.targets(checked.target.values)
    assert targets[:6].mean().item() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(scale.numbers(targets), checked.target.values, rtol=1e-6)


def test_classes_keep_their_codes_and_names():
    checked = table(["no", "yes"] * 6)
    scale = TargetScale.of(checked, np.arange(6))
    assert (scale.classes, scale.num_outputs) == (("no", "yes"), 2)
    assert scale.targets(checked.target.values).tolist() == [0, 1] * 6
    shares = scale.probabilities(torch.tensor([[0.0, np.log(3.0)]]))
    np.testing.assert_allclose(shares, [[0.25, 0.75]], rtol=1e-6)


def test_a_target_that_is_the_same_in_all_training_rows_is_not_divided_by_zero():
    scale = TargetScale.of(table([5.5] * 6 + [7.5] * 6), np.arange(6))
    assert scale.deviation == 1.0


def test_it_is_plain_json():
    scale = TargetScale.of(table(["no", "yes"] * 6), np.arange(6))
    assert TargetScale.from_json(scale.to_json()) == scale
