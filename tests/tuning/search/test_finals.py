"""The finals of a study: what goes on, and what is handed over."""

import copy

import numpy as np
import pytest

from metaopt.tuning.search.finals import Final, Finalist

WEIGHTS = {"t": 1.0}


def finalist(key, scores, *, baseline=False, allowed=True, examples=None, tasks=("t",)):
    """With these scores of seeds 1, 2, …, the same on each task."""
    by_seed = {seed: float(score) for seed, score in enumerate(scores, start=1)}
    made = Finalist(key, baseline, allowed, {task: dict(by_seed) for task in tasks}, has_finite=True)
    if examples is not None:
        made.examples = {task: np.asarray(examples) for task in tasks}
    return made


def final(*finalists, weights=None, overlap=0.0):
    return Final(finalists, weights or WEIGHTS, dict.fromkeys(weights or WEIGHTS, overlap))


def about(mean, *noise):
    """Scores of that mean."""
    return mean + np.asarray(noise or (-0.01, 0.01))


# What a finalist is


def test_a_finalist_s_means_and_seeds_are_by_task():
    mine = Finalist("a", scores={"t": {1: 1.0, 2: 3.0}, "u": {1000: 5.0}})
    assert mine.mean_scores == {"t": 2.0, "u": 5.0}
    assert mine.seeds == {"t": (1, 2), "u": (1000,)}


# Rounds


def test_the_better_half_of_candidates_and_of_baselines_goes_on():
    candidates = [finalist(name, about(mean)) for name, mean in zip("abcde", (0.1, 0.9, 0.5, 0.8, 0.2), strict=True)]
    baselines = [finalist(name, about(mean), baseline=True) for name, mean in zip("xyz", (0.3, 0.2, 0.4), strict=True)]
    played = final(*candidates, *baselines)
    played.close_round()
    assert {one.key for one in played.finalists if one.is_running} == {"b", "d", "c", "z", "x"}
    played.close_round()
    assert {one.key for one in played.finalists if one.is_running} == {"b", "d", "z"}
    played.close_round()
    assert {one.key for one in played.finalists if one.is_running} == {"b", "z"}
    played.close_round()
    assert {one.key for one in played.finalists if one.is_running} == {"b", "z"}  # the last of each stays


def test_rounds_end_where_the_leader_is_surely_better_than_the_best_baseline():
    assert not final(finalist("a", about(1.0)), finalist("x", about(0.0), baseline=True)).close_round()


def test_rounds_end_where_the_best_baseline_is_surely_better():
    assert not final(finalist("a", about(0.0)), finalist("x", about(1.0), baseline=True)).close_round()


def test_another_round_is_run_where_leader_and_baseline_cannot_be_told_apart():
    played = final(finalist("a", [0.5, 0.1]), finalist("x", [0.1, 0.4], baseline=True))
    assert played.close_round()


def test_another_round_is_run_where_two_leaders_cannot_be_told_apart():
    baseline = finalist("x", about(-3.0), baseline=True)
    close = [finalist("a", [1.5, 0.1]), finalist("b", [0.1, 1.4]), finalist("c", [0, 0]), finalist("d", [0.0, 0.0])]
    assert final(*close, baseline).close_round()


def test_no_further_round_is_run_for_leaders_that_are_surely_as_good_as_each_other():
    baseline = finalist("x", about(-3.0), baseline=True)
    alike = [finalist("a", [1.0, 1.01]), finalist("b", [1.01, 1.0]), finalist("c", [0, 0]), finalist("d", [0.0, 0.0])]
    assert not final(*alike, baseline).close_round()


def test_a_candidate_that_is_out_is_not_chosen_however_good_it_later_looks():
    good, bad = finalist("a", about(1.0)), finalist("b", about(0.5))
    played = final(good, bad)
    played.close_round()
    bad.scores["t"] = {1: 2.0, 2: 2.0}
    assert played.outcome().chosen == "a"


# Promise


def test_a_promise_shrinks_to_the_mean_where_finalists_differ_by_noise_alone():
    """Each is the best on one seed; their means differ by less than seeds have them differ."""
    noise = np.asarray([[3.0, -2.0, -1.0, 0.1], [-2.0, 3.0, -1.0, 0.0], [-1.0, -2.0, 3.0, -0.1]])
    group = [finalist(name, scores) for name, scores in zip("abc", noise, strict=True)]
    played = final(*group)
    middle = np.mean([1.25 * one.mean_scores["t"] for one in group])
    for one in group:
        assert played.promise(one) == pytest.approx(middle)


def test_a_promise_is_the_score_where_there_is_no_noise():
    group = [finalist(name, [mean] * 4) for name, mean in zip("abc", (0.1, 0.5, 0.9), strict=True)]
    for one in group:
        assert final(*group).promise(one) == pytest.approx(final(*group).mean(one))


def test_a_promise_worked_out_by_hand():
    """Means 0, 1 and 2 of 1.25 times the scores: their variance is 1.

    Seeds: the differences between two finalists scatter by ±.4 about their mean, so their variance is .32, that of
    their mean over two seeds .16, and in units of the objective, of which a task alone makes 1.25, .25. An estimate has
    half of it. So 1 - .125 is real of the variance, and of each lead as large a share is kept.
    """
    scores = {"a": [0.2, -0.2], "b": [0.8 - 0.2, 0.8 + 0.2], "c": [1.6, 1.6]}
    group = [finalist(key, of) for key, of in scores.items()]
    played = final(*group)
    pairs = {("a", "b"): 0.25, ("a", "c"): 0.0625, ("b", "c"): 0.0625}
    by_key = {one.key: one for one in group}
    for (first, second), variance in pairs.items():
        assert played.difference(by_key[first], by_key[second]).variance == pytest.approx(variance)
    for key, mean, variances in (("a", 0, (0.25, 0.0625)), ("b", 1, (0.25, 0.0625)), ("c", 2, (0.0625, 0.0625))):
        noise = np.mean(variances) / 2
        kept = (1 - noise) / (1 - noise + noise)
        assert played.promise(by_key[key]) == pytest.approx(1 + kept * (mean - 1))


def test_two_candidates_say_too_little_of_their_spread_to_be_shrunk():
    group = [finalist("a", [1.0, 5.0]), finalist("b", [2.0, 2.0])]
    assert final(*group).promise(group[0]) == final(*group).mean(group[0]) == pytest.approx(1.25 * 3)


def test_baselines_are_neither_shrunk_nor_do_they_shrink_others():
    group = [finalist(name, [mean] * 4) for name, mean in zip("abc", (0.1, 0.5, 0.9), strict=True)]
    baseline = finalist("x", [9.0, -9.0, 4.0, 1.0], baseline=True)
    played = final(*group, baseline)
    assert played.promise(baseline) == played.mean(baseline)
    assert [played.promise(one) for one in group] == [final(*group).promise(one) for one in group]


# What is handed over


def test_a_tuned_candidate_that_is_surely_better_is_handed_over():
    outcome = final(finalist("a", about(1.0)), finalist("x", about(0.0), baseline=True)).outcome()
    assert (outcome.chosen, outcome.is_tuned, outcome.incumbent, outcome.best_tuned) == ("a", True, "x", "a")
    assert outcome.lead.value == pytest.approx(1.25)


def test_a_tuned_candidate_inside_the_margin_loses_to_the_baseline():
    """A lead of .3 on one seed, and of -.27 on the other: an eighth of a standard error is more than their mean."""
    outcome = final(finalist("a", [0.5, -0.27]), finalist("x", [0.2, 0.0], baseline=True)).outcome()
    assert outcome.lead.value > 0
    assert outcome.lead.value < outcome.lead.error / 8
    assert (outcome.chosen, outcome.is_tuned, outcome.best_tuned) == ("x", False, "a")


def test_a_tuned_candidate_that_was_merely_the_luckiest_of_many_is_not_handed_over():
    """By itself its lead is clear, and of as many that differ by noise alone one has such a lead."""
    baseline = finalist("x", [0.0, 0.0, 0.0, 0.0], baseline=True)
    lucky = finalist("a", [0.6, 0.3, 0.5, 0.4])
    assert final(lucky, baseline).outcome().is_tuned
    noise = np.random.default_rng(0).normal(0, 0.9, size=(7, 4))
    others = [finalist(f"b{index}", scores - scores.mean() + 0.02 * index - 0.5) for index, scores in enumerate(noise)]
    outcome = final(copy.deepcopy(lucky), *others, baseline).outcome()
    assert not outcome.is_tuned
    assert outcome.chosen == "x"


def test_the_best_of_the_baselines_is_handed_over():
    baselines = [finalist(name, about(mean), baseline=True) for name, mean in zip("xyz", (0.1, 0.7, 0.3), strict=True)]
    outcome = final(finalist("a", about(0.0)), *baselines).outcome()
    assert (outcome.chosen, outcome.incumbent, outcome.is_tuned) == ("y", "y", False)


def test_an_excluded_baseline_is_never_handed_over_and_the_lead_is_over_the_best_other_one():
    excluded = finalist("y", about(0.7), baseline=True, allowed=False)
    other = finalist("x", about(0.1), baseline=True)
    tuned = finalist("a", about(0.0))
    outcome = final(tuned, other, excluded).outcome()
    assert (outcome.chosen, outcome.is_tuned, outcome.incumbent) == ("x", False, "x")
    assert outcome.lead.value == pytest.approx(1.25 * -0.1)
    alone = final(copy.deepcopy(tuned), excluded).outcome()
    assert (alone.chosen, alone.is_tuned, alone.incumbent) == ("a", True, "y")


def test_a_candidate_needs_to_be_better_than_what_else_may_be_handed_over_alone():
    """What the user excluded is better than both; the choice is between the other two."""
    excluded = finalist("y", about(2.0), baseline=True, allowed=False)
    outcome = final(finalist("a", about(1.0)), finalist("x", about(0.0), baseline=True), excluded).outcome()
    assert (outcome.chosen, outcome.is_tuned, outcome.incumbent) == ("a", True, "x")


def test_only_baselines():
    outcome = final(finalist("x", about(0.1), baseline=True), finalist("y", about(0.5), baseline=True)).outcome()
    assert (outcome.chosen, outcome.is_tuned, outcome.incumbent, outcome.best_tuned) == ("y", False, "y", None)
    assert outcome.lead is None


def test_only_baselines_of_which_none_may_be_handed_over():
    """There is nothing else: better than nothing at all."""
    outcome = final(finalist("x", about(0.1), baseline=True, allowed=False)).outcome()
    assert outcome.chosen == outcome.incumbent == "x"


def test_only_candidates():
    outcome = final(finalist("a", about(0.1)), finalist("b", about(0.5))).outcome()
    assert (outcome.chosen, outcome.is_tuned, outcome.incumbent, outcome.lead) == ("b", True, None, None)


def test_what_has_no_scores_is_not_chosen():
    """Baselines that the race did not run, where the time was up before the finals."""
    outcome = final(finalist("a", about(-1.0)), Finalist("x", is_baseline=True)).outcome()
    assert (outcome.chosen, outcome.incumbent) == ("a", None)


def test_of_equals_the_baseline_is_handed_over_and_the_first_of_candidates():
    same = [finalist(name, [0.5, 0.5]) for name in "ab"]
    assert final(*same).outcome().chosen == "a"
    outcome = final(*same, *(finalist(name, [0.5, 0.5], baseline=True) for name in "xy")).outcome()
    assert (outcome.chosen, outcome.lead.value, outcome.lead.variance) == ("x", 0.0, 0.0)


def test_one_seed_and_no_examples_say_nothing_of_noise_and_the_better_one_wins():
    """As where the time was up and scores are those of the race."""
    for score, chosen in ((0.2, "a"), (-0.2, "x")):
        outcome = final(finalist("a", [score]), finalist("x", [0.0], baseline=True)).outcome()
        assert outcome.chosen == chosen
        assert np.isnan(outcome.lead.variance)


def test_examples_that_a_lead_rests_on_are_part_of_its_noise():
    steady, baseline = finalist("a", [0.1, 0.1]), finalist("x", [0.0, 0.0], baseline=True)
    assert final(steady, baseline).outcome().is_tuned
    shaky = finalist("a", [0.1, 0.1], examples=[1.0, -1.0, 1.0, -1.0])
    known = finalist("x", [0.0, 0.0], baseline=True, examples=[0.0, 0.0, 0.0, 0.0])
    outcome = final(shaky, known).outcome()
    assert outcome.lead.variance == pytest.approx(1.25**2 * np.var([1, -1, 1, -1], ddof=1))
    assert not outcome.is_tuned


def test_rows_that_draws_share_are_part_of_the_noise():
    scores = {"a": [0.5, -0.1, 0.4, 0.0], "x": [0.0] * 4}
    leads = [
        final(finalist("a", scores["a"]), finalist("x", scores["x"], baseline=True), overlap=overlap).outcome().lead
        for overlap in (0.0, 1 / 3)
    ]
    assert leads[1].variance == pytest.approx(leads[0].variance * (1 / 4 + 1 / 3) / (1 / 4))


def test_tasks_count_by_their_weights_and_the_worst_of_them_more():
    """Of two tasks: a lead of 1 on the weak one, -.5 on the other."""
    tuned = Finalist("a", scores={"strong": {1: -0.5, 2: -0.5}, "weak": {1: 1.0, 2: 1.0}})
    baseline = Finalist("x", True, scores={"strong": {1: 0.0, 2: 0.0}, "weak": {1: 0.0, 2: 0.0}})
    even = final(tuned, baseline, weights={"strong": 1.0, "weak": 1.0})
    uneven = final(tuned, baseline, weights={"strong": 1.0, "weak": 0.01})
    assert even.outcome().lead.value == pytest.approx(0.25 - 0.25 * 0.5)
    assert uneven.outcome().lead.value == pytest.approx((-0.5 + 0.01) / 1.01 - 0.25 * 0.5)
    assert (even.outcome().chosen, uneven.outcome().chosen) == ("a", "x")


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_seeds_are_listed_changes_nothing(seed):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(8, 2, 6))
    played = []
    for order in (range(6), generator.permutation(6)):
        finalists = [
            Finalist(
                str(row),
                row >= 5,
                scores={t: {int(s) + 1: float(scores[row, column, s]) for s in order} for column, t in enumerate("tu")},
            )
            for row in range(8)
        ]
        one = final(*finalists, weights={"t": 0.9, "u": 0.4}, overlap=0.2)
        is_open = one.close_round()
        played.append((is_open, [each.is_running for each in finalists], one.outcome()))
    (first_open, first_running, first), (second_open, second_running, second) = played
    assert (first_open, first_running, first.chosen) == (second_open, second_running, second.chosen)
    assert first.lead.value == pytest.approx(second.lead.value)


def test_finalists_that_ran_on_more_seeds_are_compared_on_those_that_both_ran_on():
    """A later seed is hard for all: it is no fault of the one that ran on it."""
    tuned = finalist("a", [1.0, 1.0, -9.0, -9.0])
    baseline = finalist("x", [0.5, 0.5], baseline=True)
    assert final(tuned, baseline).difference(tuned, baseline).value == pytest.approx(1.25 * 0.5)


def test_scores_at_their_bounds_give_no_nan():
    """Settings that always diverge have the worst score, whatever the seed."""
    played = final(
        *(finalist(name, [-1.0, -1.0]) for name in "abcd"), *(finalist(n, [-1.0, -1.0], baseline=True) for n in "xy")
    )
    played.close_round()
    outcome = played.outcome()
    assert np.isfinite([outcome.lead.value, outcome.lead.variance]).all()
    assert (outcome.chosen, outcome.is_tuned) == ("x", False)


def test_where_all_is_noise_a_tuned_candidate_is_rarely_handed_over_for_more_than_it_is():
    """Of eight candidates as good as three baselines, scores shared by seed and noise of their own."""
    generator = np.random.default_rng(0)
    tuned = 0
    for _ in range(100):
        noise = generator.normal(size=(11, 8)) + generator.normal(size=8)
        group = [finalist(str(row), scores, baseline=row >= 8) for row, scores in enumerate(noise)]
        tuned += final(*group).outcome().is_tuned
    assert tuned / 100 < 1 / 3
