"""Plots of a comparison draw what it says, each contender in its colour."""

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from metaopt.report.plots import comparison as plots
from metaopt.tuning import RECIPE

pytestmark = pytest.mark.thorough


def axes():
    return Figure(layout="constrained").subplots()


def test_curves_of_different_lengths_are_averaged_at_the_same_fractions():
    np.testing.assert_allclose(plots._on_grid(np.asarray([0.0, 1.0]))[[0, 9, 14, 19]], [0.0, 0.0, 0.5, 1.0], atol=1e-9)


def test_a_line_for_each_contender_the_recipes_last(result):
    drawn = axes()
    compared = result.comparison
    plots.draw_curves(drawn, compared, plots.recipe_band(compared), compared.contenders)
    assert sorted(line.get_label() for line in drawn.lines if line.get_label()[0] != "_") == sorted(compared.contenders)
    assert [line.get_label() for line in drawn.lines if line.get_label() in compared.contenders][-1] == RECIPE


def test_what_lines_are_stands_above_them_and_not_on_them(result):
    drawn = axes()
    plots.draw_worth(drawn, result.comparison)
    assert not drawn.texts
    assert drawn.get_legend() is None
    (legend,) = drawn.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["best of n trials", "one run of the recipe"]


def test_names_of_contenders_are_drawn_as_they_are(result):
    named = dataclasses.replace(
        result.comparison, runs=result.comparison.runs.replace({"contender": {"adamw": "$a_{b$" + "x" * 40}})
    )
    drawn = axes()
    plots.draw_scores(drawn, named, None)
    assert any(label.get_text().startswith(r"\$a_{b\$xxx") for label in drawn.get_yticklabels())
    drawn.figure.canvas.draw()
