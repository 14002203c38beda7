"""Plots of the race: however many candidates there are, a drawing stays small and says the same."""

import dataclasses

import pytest
from matplotlib.figure import Figure

from metaopt.report.plots import race
from metaopt.tuning.ledger.evaluations import RaceOutcome


def axes():
    return Figure(layout="constrained").subplots()


def test_importances_are_bars_in_their_order():
    drawn = axes()
    race.draw_importance(drawn, {"optimizer": 0.5, "lr": 0.25, "wrapper": 0.125}, count=2)
    assert [bar.get_width() for bar in drawn.patches] == [0.5, 0.25]
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["optimizer", "lr"]
    top, bottom = drawn.get_ylim()[1], drawn.get_ylim()[0]
    assert top < 0 < bottom


@pytest.mark.parametrize(("count", "most", "kept"), [(3, 5, 3), (10, 4, 4), (1000, 300, 300)])
def test_many_are_spread_evenly_with_both_ends(count, most, kept):
    shown = race.spread(range(count), most)
    assert len(shown) == kept
    assert (shown[0], shown[-1]) == (0, count - 1)
    assert shown == sorted(set(shown))


@pytest.mark.thorough
def test_a_race_of_thousands_has_its_best_and_some_hundred_points(tuning_only):
    ((proposal, outcome), *_) = tuning_only.judged
    judged = [
        (
            dataclasses.replace(proposal, number=number),
            RaceOutcome(number, {1: number / 5000}, number % 2 == 0, outcome.scores),
        )
        for number in range(5000)
    ]
    large = dataclasses.replace(tuning_only, judged=judged)
    drawn = axes()
    race.draw_race(drawn, large)
    assert [len(points.get_offsets()) for points in drawn.collections] == [race.MOST_DROPPED, race.MOST_FINISHED]
    (best,) = drawn.lines
    assert best.get_ydata()[-1] == 4998 / 5000
    other = dataclasses.replace(tuning_only.recipe.configuration, no_decay="none")
    drawn = axes()
    race.draw_rungs(
        drawn, dataclasses.replace(large, recipe=dataclasses.replace(tuning_only.recipe, configuration=other))
    )
    assert len(drawn.lines) == race.MOST_LINES
