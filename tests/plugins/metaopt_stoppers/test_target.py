import math

from metaopt_stoppers.target import TARGET


def test_a_loss_that_falls_to_the_target_stops(stop_at):
    assert stop_at(TARGET, [1.0, 0.5, 0.1, 0.05], target=0.1) == 3


def test_an_accuracy_that_rises_to_the_target_stops(stop_at):
    assert stop_at(TARGET, [0.5, 0.9, 0.95, 0.99], target=0.95, mode="max") == 3


def test_a_target_may_be_negative(stop_at):
    assert stop_at(TARGET, [1.0, -1.0, -2.5], target=-2.0) == 3
    assert stop_at(TARGET, [-3.0, -2.5, -1.0], target=-2.0, mode="max") == 3


def test_what_is_no_number_reaches_nothing(stop_at):
    assert stop_at(TARGET, [math.nan, None, "broken", 0.0], target=0.5) == 4


def test_tuning_leaves_it_alone_because_units_differ_between_tasks():
    assert {TARGET.space["target"].from_unit(unit) for unit in (0.0, 0.5, 1.0)} == {0.0}
