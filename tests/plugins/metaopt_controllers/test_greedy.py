"""Greedy's raises and cuts on losses worked out here."""

import math

import pytest

from metaopt_controllers.greedy import GREEDY


def test_it_goes_up_after_improvements_and_down_after_failures(follow):
    settings = {"up": 2.0, "down": 0.5, "patience": 1, "threshold": 0.0, "smoothing": 0.0, "max_ratio": 4.0}
    better = follow(GREEDY, [10.0 - step for step in range(10)], **settings, min_ratio=0.1)
    assert better == [1, 2, 2, 4, 4, 4, 4, 4, 4, 4], "a raise after every second improvement, up to max_ratio"
    worse = follow(GREEDY, [1.0, *[2.0] * 9], **settings, min_ratio=0.1)
    assert worse == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.1, 0.1])
    assert follow(GREEDY, [1.0, math.nan, math.inf, 0.5, 0.4], **settings, min_ratio=0.1) == [1, 1, 0.5, 0.5, 1.0]


def test_it_takes_negative_losses(follow):
    settings = {"up": 2.0, "down": 0.5, "patience": 0, "threshold": 0.1, "smoothing": 0.0, "min_ratio": 0.1}
    assert follow(GREEDY, [-1.0, -1.05, -1.2], **settings) == [2.0, 1.0, 2.0], "5 % better is not 10 % better"


def test_it_smooths_with_bias_correction(follow):
    settings = {"up": 2.0, "down": 0.5, "patience": 0, "threshold": 0.0, "min_ratio": 0.1, "max_ratio": 100.0}
    # Averages of .5: 4; (4 + 2·1)/3 = 2; (4·.25·.5…): each below the one before, though 3 > 1.
    assert follow(GREEDY, [4.0, 1.0, 2.0], smoothing=0.5, **settings) == [2.0, 4.0, 2.0]
    assert follow(GREEDY, [4.0, 1.0, 1.9], smoothing=0.5, **settings) == [2.0, 4.0, 8.0]
