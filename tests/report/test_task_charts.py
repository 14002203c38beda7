"""Small charts of tasks: points of lines within the chart, those tasks first on which the recipe is behind."""

import dataclasses

import numpy as np
import pytest

from metaopt.report import task_charts as charts
from metaopt.tuning import RECIPE

pytestmark = pytest.mark.thorough


def points(line):
    return np.asarray([pair.split(",") for pair in line.points.split()], dtype=float)


def with_curve(comparison, curve):
    return dataclasses.replace(comparison, curves=dict.fromkeys(comparison.curves, np.asarray(curve)))


def test_a_chart_has_a_line_for_each_contender_the_recipes_last(result):
    (first, *others) = charts.task_charts(result.comparison, result.comparison.contenders)
    assert len(others) == len(result.comparison.tasks) - 1
    assert len(first.lines) == len(result.comparison.contenders)
    assert [line.is_recipe for line in first.lines] == [False] * (len(first.lines) - 1) + [True]
    assert first.lines[-1].variable == "--recipe"
    ends = points(first.lines[0])
    assert np.all((ends >= 0) & (ends <= [charts.WIDTH, charts.HEIGHT]))


def test_the_tasks_come_first_on_which_the_recipe_is_furthest_behind(result):
    compared = result.comparison
    worst = list(compared.worst_tasks(len(compared.tasks))["task"])
    assert charts.with_curves(compared) == worst
    assert [chart.task for chart in charts.task_charts(compared, compared.contenders)] == worst


def test_scores_are_drawn_from_the_worst_to_the_best(result):
    chart = charts.task_charts(with_curve(result.comparison, [-1.0, 0.0, 2.0]), result.comparison.contenders)[0]
    np.testing.assert_allclose(points(chart.lines[-1]), [[40, 66], [80, 44], [120, 0]])
    assert charts.height_of(1.0) == 22.0


@pytest.mark.parametrize(
    ("curve", "count"), [([0.5], 2), ([float("nan"), 0.5, 0.6], 2), (list(np.zeros(5000)), charts.MOST_POINTS)]
)
def test_a_line_can_be_seen_and_stays_short(curve, count, result):
    chart = charts.task_charts(with_curve(result.comparison, curve), result.comparison.contenders)[0]
    assert len(points(chart.lines[-1])) == count


def test_a_contender_without_a_finite_score_has_no_line(result):
    curves = {key: np.full(3, np.nan if key[0] == RECIPE else 0.0) for key in result.comparison.curves}
    chart = charts.task_charts(dataclasses.replace(result.comparison, curves=curves), result.comparison.contenders)[0]
    assert not any(line.is_recipe for line in chart.lines)
