"""Splits of generated data."""

import pytest
import torch

from metaopt_corpora._shared.splits import GRID, make_splits


def test_sizes_are_as_asked_and_no_row_is_lost():
    inputs = torch.arange(50, dtype=torch.float64)[:, None]
    splits = make_splits(inputs, torch.arange(50), (10, 15))
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [25, 10, 15]
    assert sorted(torch.cat([part.targets for part in parts]).tolist()) == list(range(50))


def test_scaling_is_fitted_on_training_rows():
    inputs = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = make_splits(inputs, torch.arange(50), (10, 15), scale=True)
    changed = inputs.clone()
    changed[before.test.targets] = 1e6
    after = make_splits(changed, torch.arange(50), (10, 15), scale=True)
    assert torch.equal(after.train.inputs, before.train.inputs)
    assert before.train.inputs.mean(dim=0).tolist() == pytest.approx([0, 0], abs=GRID)


def test_the_last_bits_of_arithmetic_do_not_reach_the_data():
    inputs = torch.randn(500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first = make_splits(inputs, torch.arange(500), (10, 15), scale=True)
    second = make_splits(inputs * (1 + 2e-16) + 1e-16, torch.arange(500), (10, 15), scale=True)
    assert torch.equal(first.train.inputs, second.train.inputs)
