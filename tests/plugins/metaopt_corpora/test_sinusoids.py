"""Waves with noise, as their formulas say."""

import math

import pytest
import torch

from metaopt_corpora.sinusoids import plane_splits, wave_splits


def together(splits):
    parts = (splits.train, splits.validation, splits.test)
    return torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts])


@pytest.mark.parametrize("waves", [[(1.0, 1.5)], [(1.0, 1.0), (0.6, 4.0)]])
def test_targets_are_the_sum_of_the_waves_and_noise(waves):
    splits = wave_splits(waves, noise=0.05)
    x, y = together(splits)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [400, 150, 250]
    left = y - sum(amplitude * torch.sin(frequency * x) for amplitude, frequency in waves)
    assert float(left.std()) == pytest.approx(0.05, rel=0.1)
    assert float(x.abs().max()) <= math.pi
    assert float(x.std()) == pytest.approx(math.pi / 3**0.5, rel=0.05), "evenly over the period"


def test_the_plane_is_a_product_of_two_waves():
    splits = plane_splits(noise=0.05)
    x, y = together(splits)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [600, 200, 300]
    left = y[:, 0] - torch.sin(2 * x[:, 0]) * torch.sin(2 * x[:, 1])
    assert float(left.std()) == pytest.approx(0.05, rel=0.1)
    assert float(x.abs().max()) <= 2


def test_without_noise_nothing_is_left():
    x, y = together(wave_splits([(0.5, 2.0)], noise=0.0))
    torch.testing.assert_close(y, 0.5 * torch.sin(2 * x), rtol=0, atol=1e-3)
