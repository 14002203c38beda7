"""Estimates read as people write them."""

import math

from metaopt.recipe.sharing.estimates import Interval, TrialsWorth, ends_of


def test_an_interval_shows_its_ends_or_why_it_has_none():
    assert str(Interval(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert str(Interval(*ends_of([0.5, None, None]))) == "0.500 (too few tasks for an interval)"


def test_intervals_are_apart_where_they_share_nothing():
    assert Interval(0, -1, 1).apart(Interval(3, 2, 4))
    assert not Interval(0, -1, 2).apart(Interval(3, 2, 4))


def test_more_trials_than_there_were_are_said_to_be_more():
    assert str(TrialsWorth(9.4, 4.8, 33.0, 32)) == "9.4 [4.8, > 32]"
    assert str(TrialsWorth(33.0, math.nan, math.nan, 32)) == "> 32 (too few tasks for an interval)"
