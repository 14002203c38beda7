"""What validation rows tell apart, before anything was trained."""

from math import sqrt

import pytest

from metaopt.tasks.tables.showing.facts import resolution


@pytest.mark.parametrize("rows", [100, 2000])
def test_it_is_two_standard_errors_of_a_paired_difference(rows):
    points = float(resolution("classification", rows).split()[2])
    assert points == pytest.approx(100 * 1.96 * sqrt(0.1 / rows), rel=0.05)
    percent = float(resolution("regression", rows).split()[4])
    assert percent == pytest.approx(100 * 1.96 * sqrt(0.4 / rows), rel=0.05)
