"""Colours stay with their contenders, and names that people gave are drawn as they are."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from metaopt.report import plots
from metaopt.report.plots import PALETTE, literal
from metaopt.tuning import RECIPE


def test_the_recipe_has_its_own_colour_and_the_others_take_turns():
    names = [RECIPE, *(f"contender {number}" for number in range(6))]
    colours = [PALETTE.of(name, names) for name in names]
    assert colours[0] == PALETTE.recipe
    assert colours[1:6] == list(PALETTE.series)
    assert colours[6] == PALETTE.series[0]


def test_every_colour_is_a_variable_of_the_page():
    variables = PALETTE.variables()
    assert variables[PALETTE.recipe] == "--recipe"
    assert variables[PALETTE.series[0]] == "--series-1"
    assert len(set(variables.values())) == len(variables) == 9


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("digits", "digits"),
        ("costs $5 to $6", r"costs \$5 to \$6"),
        ("two\nlines", "two lines"),
        ("x" * 41, "x" * 39 + "…"),
        ("x" * 40, "x" * 40),
    ],
)
def test_a_name_is_drawn_literally_on_one_line(name, drawn):
    assert literal(name) == drawn


def test_importances_are_bars_in_their_order():
    axes = Figure().subplots()
    plots.draw_importance(axes, {"optimizer": 0.5, "lr": 0.25, "wrapper": 0.125}, count=2)
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["optimizer", "lr"]
    top, bottom = axes.get_ylim()[1], axes.get_ylim()[0]
    assert top < 0 < bottom


def test_curves_of_different_lengths_are_averaged_at_the_same_fractions():
    np.testing.assert_allclose(plots._on_grid(np.asarray([0.0, 1.0]))[[0, 9, 14, 19]], [0.0, 0.0, 0.5, 1.0], atol=1e-9)
