"""Colours stay with their contenders, and names that people gave are drawn as they are."""

import pytest
from matplotlib.figure import Figure

from metaopt.report.plots.palette import PALETTE, legend_above, line_style, literal, recipe_last
from metaopt.tuning import RECIPE

NAMES = [RECIPE, *(f"contender {number}" for number in range(12))]


def test_the_recipe_has_its_own_colour_and_the_others_take_turns():
    colours = [PALETTE.of(name, NAMES) for name in NAMES]
    assert colours[0] == PALETTE.recipe
    assert colours[1:6] == list(PALETTE.series)
    assert colours[6] == PALETTE.series[0]


def test_those_that_share_a_colour_have_other_dashes():
    styles = {(PALETTE.of(name, NAMES), PALETTE.dashes(name, NAMES)) for name in NAMES}
    assert len(styles) == len(NAMES)
    assert PALETTE.dashes(RECIPE, NAMES) == PALETTE.dashes("contender 0", NAMES) == ()
    assert line_style("contender 0", NAMES)["linestyle"] == "solid"
    assert line_style("contender 5", NAMES)["linestyle"] == (0, (4.0, 2.0))


def test_every_colour_is_a_variable_of_the_page():
    variables = PALETTE.variables()
    assert PALETTE.variable(RECIPE, NAMES) == variables[PALETTE.recipe] == "--recipe"
    assert PALETTE.variable("contender 5", NAMES) == "--series-1"
    assert len(set(variables.values())) == len(variables) == 9


def test_the_recipes_line_lies_over_the_others():
    assert recipe_last(NAMES[:3]) == ["contender 0", "contender 1", RECIPE]


def test_a_legend_of_nothing_is_none():
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    legend_above(axes)
    assert figure.legends == []
    axes.plot([0, 1], label="line")
    legend_above(axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["line"]


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
