"""Friedman's function, and the diabetes table."""

import math

import pytest
import torch

from metaopt_corpora.regression import diabetes_splits, friedman_splits


def test_friedmans_function_explains_all_but_the_noise():
    """Inputs are scaled; rank and least squares know nothing of that."""
    splits = friedman_splits()
    inputs = torch.cat([part.inputs for part in (splits.train, splits.validation, splits.test)]).double()
    targets = torch.cat([part.targets for part in (splits.train, splits.validation, splits.test)]).double()
    # Uniform numbers of mean ½ and deviation 1/√12, up to those of the 500 training rows.
    x = (inputs / math.sqrt(12) + 0.5).clamp(0, 1)
    terms = [torch.sin(math.pi * x[:, 0] * x[:, 1]), (x[:, 2] - 0.5) ** 2, x[:, 3], x[:, 4], torch.ones(len(x))]
    table = torch.stack([term.double() for term in terms], dim=1)
    line = torch.linalg.lstsq(table, targets).solution
    left = (targets - table @ line).square().mean()
    assert 0.02 < float(left) < 0.08, "noise of deviation 1 where the target's is about 5"
    ten, twenty, four, five = line[:4, 0].tolist()
    assert [twenty / ten, four / ten, five / ten] == pytest.approx([2.0, 1.0, 0.5], rel=0.15)


def test_the_other_five_inputs_do_nothing():
    splits = friedman_splits()
    table = torch.cat([splits.train.inputs, splits.train.targets], dim=1).double()
    correlations = torch.corrcoef(table.T)[-1]
    assert float(correlations[5:10].abs().max()) < 0.12
    assert float(correlations[3]) > 0.4


def test_another_seed_draws_other_rows():
    assert not torch.equal(friedman_splits(0).train.inputs, friedman_splits(1).train.inputs)


def test_diabetes_has_its_442_patients_scaled_by_those_trained_on():
    splits = diabetes_splits()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [242, 80, 120]
    assert splits.train.inputs.mean(0).tolist() == pytest.approx([0.0] * 10, abs=1e-3)
    assert float(splits.train.targets.std()) == pytest.approx(1.0, abs=0.01)
