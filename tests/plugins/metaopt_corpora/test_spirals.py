"""Arms that wind out from the origin."""

import math

import pytest
import torch

from metaopt_corpora.spirals import spiral_splits


@pytest.mark.parametrize(("arms", "turns"), [(2, 1.25), (3, 0.75)])
def test_without_noise_the_angle_says_the_radius_and_the_arm(arms, turns):
    splits = spiral_splits(arms, turns, noise=0.0)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [600, 200, 400]
    points, arm = torch.cat([part.inputs for part in parts]).double(), torch.cat([part.targets for part in parts])
    radius, angle = points.norm(dim=1), torch.atan2(points[:, 1], points[:, 0])
    assert float(radius.max()) <= 2.001
    # angle = 2π (turns · radius / 2 + arm / arms), up to whole turns
    left = angle / (2 * math.pi) - turns * radius / 2 - arm / arms
    far = radius > 0.2  # near the origin the grid of the data hides the angle
    assert float((left - left.round())[far].abs().max()) < 0.01
    assert arm.bincount().tolist() == [1200 // arms] * arms


def test_points_are_even_over_the_disc():
    points = spiral_splits(2, 1.25, noise=0.0).train.inputs
    inner = (points.norm(dim=1) < 2**0.5).double().mean()
    assert float(inner) == pytest.approx(0.5, abs=0.06), "half of the area lies within a radius of √2"


def test_noise_is_of_each_coordinate():
    plain, noisy = (spiral_splits(2, 1.25, noise=noise).train.inputs for noise in (0.0, 0.15))
    assert (noisy - plain).std(dim=0).tolist() == pytest.approx([0.15, 0.15], rel=0.1)
