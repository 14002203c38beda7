"""The first sentences claim what was measured, and nothing where intervals do not allow it."""

import dataclasses
import math

import pytest

from metaopt.report.headlines import Payback, caveats, headline, payback, price, trainings
from metaopt.report.tables import comparison_table
from metaopt.tuning.judging.statistics import TrialsWorth


def test_a_study_has_paid_when_the_spared_trainings_reach_what_it_took():
    payback = Payback.of(TrialsWorth(number=11.0, low=5.0, high=21.0, pool=32), trainings=1000)
    assert (payback.models, payback.fewest, payback.most) == (100, 50, 250)
    assert str(payback) == "100 [50, 250]"


def test_beyond_the_pool_nothing_was_measured():
    payback = Payback.of(TrialsWorth(number=33.0, low=16.0, high=33.0, pool=32), trainings=310)
    assert str(payback) == "≤ 10 [≤ 10, 21]"


def test_a_recipe_worth_one_trial_never_pays():
    assert str(Payback.of(TrialsWorth(number=1.0, low=0.0, high=3.0, pool=32), trainings=10)) == "never"
    assert str(Payback.of(TrialsWorth(number=3.0, low=0.5, high=6.0, pool=32), trainings=10)) == "5 [2, never]"


def test_without_an_interval_the_payback_has_none():
    worth = TrialsWorth(number=3.0, low=math.nan, high=math.nan, pool=32)
    assert str(Payback.of(worth, trainings=10)) == "5 (no interval)"


@pytest.mark.slow
def test_the_headline_is_about_tasks_that_tuning_never_saw(result):
    worth = result.comparison.trials_worth()
    assert headline(result).startswith("The first run of a new model is worth ")
    assert str(worth) in headline(result) or worth.number < 1
    assert "on 6 tasks that tuning never saw" in headline(result)


@pytest.mark.parametrize(
    ("worth", "claim"),
    [
        (TrialsWorth(9.0, 4.0, 20.0, 32), "is worth 9.0 [4.0, 20.0] random tuning trials of its own on 6 tasks"),
        (TrialsWorth(3.0, 0.5, 9.0, 32), "The interval reaches down to one trial: nothing is claimed."),
        (TrialsWorth(3.0, math.nan, math.nan, 32), "Without an interval, no number of trials is claimed."),
        (TrialsWorth(0.0, 0.0, 0.5, 32), "is worth less than one random tuning trial of its own"),
    ],
)
def test_the_headline_claims_what_the_interval_allows(result, monkeypatch, worth, claim):
    monkeypatch.setattr(type(result.comparison), "trials_worth", lambda self: worth)
    assert claim in headline(result)


def test_the_price_counts_everything(result):
    assert trainings(result) == len(result.evaluations)
    assert price(result).startswith(f"It cost {len(result.evaluations):,} trainings, ")
    assert "later models it has paid for itself" in price(result) or "never pays" in price(result)


def test_without_an_interval_no_payback_is_claimed(result, monkeypatch):
    monkeypatch.setattr(type(result.comparison), "trials_worth", lambda self: TrialsWorth(9.0, math.nan, math.nan, 32))
    assert "paid" not in price(result)


@pytest.mark.slow
def test_a_study_that_held_nothing_out_claims_nothing_for_later_models(tuning_only):
    assert "what it is worth for a new model was not measured" in headline(tuning_only)
    assert payback(tuning_only) is None
    assert "paid" not in price(tuning_only)
    first, second = caveats(tuning_only)
    assert "No task was held out" in first
    assert "use --folds or --held-out" in first
    assert second == "2 tasks are too few for intervals: of further tasks nothing is claimed; add tasks."


def test_a_study_without_time_says_so(result):
    late = dataclasses.replace(result, comparison=None, interrupted=True)
    assert "the same command continues" in caveats(late)[0]
    assert "The held-out tasks are not compared yet" in caveats(late)[1]
    nothing = dataclasses.replace(late, tuning_comparison=None)
    assert "what it is worth is not known" in headline(nothing)


def test_black_boxes_have_no_trials_of_their_own(black_box):
    assert "is not measured" in headline(black_box)
    assert payback(black_box) is None


@pytest.mark.slow
@pytest.mark.parametrize("over", ["kinds of task", "tasks of these families"])
def test_families_that_are_held_out_are_said_to_stand_for_what_they_can(result, monkeypatch, over):
    monkeypatch.setattr(type(result.comparison), "trials_worth", lambda self: TrialsWorth(9.0, 4.0, 20.0, 32))
    held = dataclasses.replace(
        result, held_out_by="families", comparison=dataclasses.replace(result.comparison, over=over)
    )
    assert headline(held).endswith(f"of families that tuning never saw. The interval is over {over}.")
    warned = [line for line in caveats(held) if "say nothing of another kind of task" in line]
    assert warned == (
        []
        if over == "kinds of task"
        else [
            "Intervals are over tasks of these families and say nothing of another kind of task: 1 held out, and that "
            "takes at least 5."
        ]
    )
    assert f"(that of the held-out tasks over {over})" in comparison_table(held.comparison, held.tuning_comparison).note
