"""The plot of stopping policies marks the recipe's."""

import dataclasses

import pytest
from matplotlib.figure import Figure

from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.report.plots.stopping import draw_stopping
from metaopt.tuning.stopping.stopping import PolicyResult

pytestmark = pytest.mark.thorough


def test_the_recipes_stopper_is_marked_on_the_front(result):
    policies = [StopperConfiguration("patience", {"patience": share}) for share in (0.1, 0.2, 0.3)]
    front = [PolicyResult(one, regret, 0.3 * regret) for one, regret in zip(policies, (0.0, 0.1, 0.2), strict=True)]
    recipe = result.recipe.with_stopper(policies[1])
    axes = Figure(layout="constrained").subplots()
    draw_stopping(axes, dataclasses.replace(result, front=front, recipe=recipe))
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["the recipe's"]
    front_line, mark = axes.lines
    assert list(front_line.get_ydata()) == [0.0, 0.1, 0.2]
    assert list(mark.get_ydata()) == [0.1]
