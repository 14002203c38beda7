import itertools

import numpy as np
import pytest
from scipy.stats import trim_mean

from metaopt import Curve
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.judging.statistics import (
    Interval,
    TrialsWorth,
    bootstrap,
    expected_best,
    interquartile_mean,
    population_held_out,
    resample_kinds,
    resample_within,
    strata_of,
    trials_worth,
)

PLAIN = Scale(1.0, 0.0, -0.5, 0.5, 0.01, test_baseline=1.0, test_tuned=0.0, test_noise=0.01)


def curve_of(values, test):
    return Curve(range(1, len(values) + 1), values, len(values), test=test)


def mean(values):
    return float(values.mean())


@pytest.mark.parametrize("count", [4, 8, 40])
def test_the_interquartile_mean_is_the_quarter_trimmed_mean(count):
    values = np.random.default_rng(count).standard_cauchy(count)
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25))


def test_where_a_quartile_falls_inside_a_value_the_value_counts_in_part():
    # The quartiles of 5 values cut the second and the fourth at three quarters: (0.75·2 + 3 + 0.75·4) / 2.5
    assert interquartile_mean(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == pytest.approx(7.5 / 2.5)
    assert interquartile_mean(np.array([7.0])) == 7.0
    assert interquartile_mean(np.array([1.0, 3.0])) == 2.0


def test_it_does_not_depend_on_the_order_nor_on_the_extremes():
    values = np.arange(12.0)
    shuffled = np.random.default_rng(0).permutation(values)
    shuffled[shuffled == 11.0] = 1e9
    assert interquartile_mean(shuffled) == pytest.approx(interquartile_mean(values))


def test_resampling_keeps_every_stratum_at_its_size():
    strata = ["a", "b", "a", "c", "c", "c", "b"]
    labels = np.asarray(strata)
    for drawn in resample_within(strata, resamples=50):
        assert (labels[drawn] == labels).all()
    assert len({tuple(drawn) for drawn in resample_within(strata, resamples=50)}) > 10


def test_families_of_one_task_share_a_stratum():
    assert strata_of(["a", "a", "b", "b"]) == ["a", "a", "b", "b"]
    apart = strata_of(["a", "a", "b", "c"])
    assert apart[2] == apart[3] != apart[0]
    assert len(set(strata_of(list("abcde")))) == 1
    assert strata_of(["a", "a", "a", "b", "b", "c"]) == ["a", "a", "a", "b", "b", "b"]


def test_tasks_of_different_families_never_look_as_if_nothing_varied():
    interval = bootstrap(np.array([0.1, 0.3, 0.5, 0.7, 0.9]), list("abcde"), mean)
    assert interval.low < 0.3 < 0.7 < interval.high


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_few_tasks_give_no_interval_and_nothing_can_be_claimed_from_them(count):
    few = bootstrap(np.linspace(0.7, 0.7001, count), ["a"] * count, mean)
    assert few.value == pytest.approx(0.7, abs=1e-3)
    assert np.isnan(few.low)
    assert np.isnan(few.high)
    assert str(few) == "0.700 (too few tasks for an interval)"
    assert not few.apart(Interval(-1.0, -1.1, -0.9))


def test_intervals_are_apart_only_where_they_do_not_overlap():
    assert Interval(1.0, 0.9, 1.1).apart(Interval(0.5, 0.4, 0.6))
    assert Interval(0.5, 0.4, 0.6).apart(Interval(1.0, 0.9, 1.1))
    assert not Interval(1.0, 0.6, 1.1).apart(Interval(0.5, 0.4, 0.6))
    assert str(Interval(0.5, 0.4, 0.6)) == "0.500 [0.400, 0.600]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes", [(20,), (3, 3, 3, 3, 3, 3), (6, 4, 1, 1, 1)], ids=["one family", "families of three", "lone tasks"]
)
def test_the_interval_holds_the_truth_about_as_often_as_it_says(sizes):
    families = [str(family) for family, size in enumerate(sizes) for _ in range(size)]
    shift = np.array([0.3 * int(family) for family in families]) if min(sizes) > 1 else 0.0
    generator = np.random.default_rng(5)
    hits = 0
    for _ in range(120):
        interval = bootstrap(shift + generator.normal(size=len(families)), families, mean)
        hits += interval.low <= float(np.mean(shift)) <= interval.high
    assert 0.9 <= hits / 120 <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "between", "within"), [((5,) * 5, 1.0, 0.3), ((3,) * 8, 0.3, 1.0), ((1, 2, 3, 5, 8, 13), 1.0, 0.3)]
)
def test_over_kinds_of_task_the_interval_holds_the_truth_where_families_differ(sizes, between, within):
    families = [str(family) for family, size in enumerate(sizes) for _ in range(size)]
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(60):
        kinds = np.repeat(generator.normal(0, between, len(sizes)), sizes)
        interval = bootstrap(kinds + generator.normal(0, within, len(kinds)), families, mean, over="kinds of task")
        hits += interval.low <= 0 <= interval.high
    assert hits >= 51


def test_with_families_fixed_it_does_not():
    families = [str(family) for family in range(5) for _ in range(5)]
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(60):
        values = np.repeat(generator.normal(size=5), 5) + generator.normal(0, 0.3, 25)
        interval = bootstrap(values, families, mean)
        hits += interval.low <= 0 <= interval.high
    assert hits <= 30


def test_fewer_than_five_families_speak_of_no_other_kinds():
    values = np.linspace(0, 1, 40)
    four, five = ([str(task % count) for task in range(40)] for count in (4, 5))
    assert population_held_out(four) == "tasks of these families"
    assert population_held_out(five) == "kinds of task"
    assert np.isnan(bootstrap(values, four, mean, over="kinds of task").low)
    wide, narrow = (bootstrap(values, five, mean, over=over) for over in ("kinds of task", "tasks of these families"))
    assert wide.value == narrow.value == pytest.approx(0.5)
    assert np.isfinite(wide.low)
    worth = trials_worth(values, np.tile(LADDER, (40, 1)), four, over="kinds of task")
    assert np.isnan(worth.low)
    assert worth.number == trials_worth(values, np.tile(LADDER, (40, 1)), four).number


def test_drawn_families_bring_as_many_tasks_as_they_have():
    families = ["a", "b", "b", "c", "c", "c"]
    sizes = {"a": 1, "b": 2, "c": 3}
    drawn = resample_kinds(families, resamples=200)
    for rows in drawn:
        counts = {family: sum(families[row] == family for row in rows) for family in sizes}
        assert sum(counts[family] / size for family, size in sizes.items()) == 3
    assert {row for rows in drawn for row in rows} == set(range(6))
    assert any(len(set(rows)) < len(rows) for rows in drawn)
    assert all(
        np.array_equal(first, again)
        for first, again in zip(drawn, resample_kinds(families, resamples=200), strict=True)
    )


def test_the_expected_best_of_n_trials_is_the_mean_over_all_subsets_of_n():
    generator = np.random.default_rng(1)
    validation, tests = generator.uniform(size=6), generator.uniform(size=6)
    pool = [curve_of([2.0, value], test=[2.0, test]) for value, test in zip(validation, tests, strict=True)]
    expected = expected_best(pool, PLAIN)
    for count in range(1, 7):
        bests = [min(subset, key=lambda row: validation[row]) for subset in itertools.combinations(range(6), count)]
        assert expected[count - 1] == pytest.approx(np.mean([1 - tests[row] for row in bests]))


def test_a_pool_with_diverged_trials_counts_them_as_worst():
    pool = [curve_of([np.nan], test=[np.nan]), curve_of([0.5], test=[0.4]), curve_of([np.nan], test=[np.nan])]
    assert expected_best(pool, PLAIN) == pytest.approx([(-1 + 0.6 - 1) / 3, (0.6 + 0.6 - 1) / 3, 0.6])


def test_a_large_pool_is_computed_without_overflow():
    pool = [curve_of([value], test=[value]) for value in np.linspace(0, 1, 2000)]
    expected = expected_best(pool, PLAIN)
    assert expected[0] == pytest.approx(0.5)
    assert expected[-1] == pytest.approx(1.0)
    assert (np.diff(expected) >= -1e-9).all()


LADDER = np.array([0.0, 0.5, 0.75, 1.0])  # expected best of 1, 2, 3, 4 trials


@pytest.mark.parametrize(
    ("score", "trials"),
    [(0.5, 2.0), (0.6, 2.4), (1.0, 4.0), (1.1, 5.0), (0.0, 1.0), (-0.2, 0.0)],
    ids=["just two", "between two and three", "the whole pool", "more than the pool", "just one", "less than one"],
)
def test_what_a_run_is_worth_on_constructed_cases(score, trials):
    worth = trials_worth(np.full(6, score), np.tile(LADDER, (6, 1)), ["a"] * 6)
    assert worth.number == pytest.approx(trials)
    assert worth.low == worth.high == pytest.approx(trials)


def test_what_a_run_is_worth_is_read_from_means_over_tasks_with_an_interval():
    scores = np.array([0.0, 1.0, 0.5, 0.9, 0.2, 1.0])
    worth = trials_worth(scores, np.tile(LADDER, (6, 1)), ["a", "a", "a", "b", "b", "b"])
    assert worth.number == pytest.approx(2.4)
    assert worth.low < 2.4 < worth.high
    assert worth.pool == 4


def test_the_number_of_trials_reads_well():
    assert str(TrialsWorth(9.26, 4.0, 33.0, pool=32)) == "9.3 [4.0, > 32]"
    assert str(trials_worth(np.array([0.5]), LADDER[None], ["a"])) == "2.0 (too few tasks for an interval)"
