import itertools

import numpy as np
import pytest

from metaopt import Curve
from metaopt.tuning.judging.scores import BEST, LEAST_WEIGHT, WORST, RatioScale, Scale, objective

STEPS = 10
START = 3.0


def curve_of(values, test=None):
    """A curve with a validation after every step."""
    return Curve(range(1, len(values) + 1), values, max(len(values), 1), test=test)


def decay(final, noise=0.0):
    """A run from START to `final`; its test value is a tenth higher."""
    values = final + noise + (START - final) * np.linspace(1, 0, STEPS) ** 2
    return curve_of(values, test=values + 0.1)


BASELINE = [decay(1.0, noise) for noise in (-0.02, 0.0, 0.02)]
TUNED = [decay(0.5, noise) for noise in (-0.01, 0.0, 0.01)]


def mean_score(scale, curves):
    return np.mean([scale.score(curve) for curve in curves])


@pytest.fixture
def scale():
    return Scale.of(BASELINE, TUNED)


def shifted(curves, by, factor=1.0):
    return [curve_of(factor * (curve.values + by), test=factor * (curve.test + by)) for curve in curves]


def test_the_baseline_scores_0_and_the_long_tuned_run_1(scale):
    assert mean_score(scale, BASELINE) == pytest.approx(0.0, abs=1e-12)
    assert mean_score(scale, TUNED) == pytest.approx(1.0)
    assert np.mean([scale.test_score(curve) for curve in BASELINE]) == pytest.approx(0.0, abs=1e-12)
    assert np.mean([scale.test_score(curve) for curve in TUNED]) == pytest.approx(1.0)


@pytest.mark.parametrize("by", [0.0, -2.0, -100.0], ids=["positive", "of both signs", "negative"])
def test_scores_do_not_depend_on_where_a_metric_has_its_zero(by):
    moved = Scale.of(shifted(BASELINE, by), shifted(TUNED, by))
    for final in (0.3, 0.8, 1.2):
        run = [decay(final)]
        assert moved.score(shifted(run, by)[0]) == pytest.approx(Scale.of(BASELINE, TUNED).score(run[0]))
        assert moved.test_score(shifted(run, by)[0]) == pytest.approx(Scale.of(BASELINE, TUNED).test_score(run[0]))


def test_scores_do_not_depend_on_the_unit_of_a_metric(scale):
    large = Scale.of(shifted(BASELINE, 0, 1e6), shifted(TUNED, 0, 1e6))
    assert large.score(shifted([decay(0.7)], 0, 1e6)[0]) == pytest.approx(scale.score(decay(0.7)))
    assert large.weight == pytest.approx(scale.weight)


def test_better_runs_score_higher(scale):
    finals = np.linspace(2.0, 0.2, 12)
    for score in (scale.score, scale.test_score):
        scores = [score(decay(final)) for final in finals]
        assert all(later >= earlier for earlier, later in itertools.pairwise(scores))
        assert scores[-1] > scores[4] > scores[0]


def test_of_two_runs_that_end_alike_the_faster_one_scores_higher(scale):
    values = decay(0.7).values
    late = curve_of(np.concatenate([np.full(4, START), values[:-4]]).clip(0.7) - 0.0)
    assert scale.score(decay(0.7)) > scale.score(late)


@pytest.mark.parametrize(
    "values",
    [[np.nan] * STEPS, [0.1] * (STEPS - 1) + [np.nan], [np.inf] + [0.1] * (STEPS - 1), []],
    ids=["never finite", "diverged at the end", "overflowed at first", "no validation"],
)
def test_a_diverged_run_gets_exactly_the_worst_score(scale, values):
    assert scale.score(curve_of(values)) == WORST


def test_nothing_scores_beyond_the_ends(scale):
    hopeless = curve_of([1e30] * STEPS, test=[1e30] * STEPS)
    assert WORST <= scale.score(hopeless) < -0.5
    assert scale.test_score(hopeless) == WORST
    assert scale.score(curve_of([-1e30] * STEPS, test=[-1e30] * STEPS)) == BEST
    assert scale.test_score(curve_of([-1e30] * STEPS, test=[-1e30] * STEPS)) == BEST
    assert scale.test_score(curve_of([1.0], test=[np.nan])) == WORST


def test_the_test_score_is_read_at_the_best_validation_up_to_the_stop(scale):
    curve = curve_of([2.0, 0.9, 1.5, 0.4], test=[9.0, 1.1, 0.0, 0.6])
    assert scale.test_score(curve) == pytest.approx(1.0)
    assert scale.test_score(curve, until=3) == pytest.approx(0.0)


def test_references_that_are_equal_give_finite_scores_and_hardly_any_weight():
    for curves in (BASELINE, [decay(1.0)] * 3):
        equal = Scale.of(curves, curves)
        assert np.isfinite([equal.score(decay(final)) for final in (0.2, 1.0, 2.0)]).all()
        assert mean_score(equal, curves) == pytest.approx(0.0, abs=0.2)
        assert equal.weight == pytest.approx(0.001)


def test_a_baseline_better_than_the_long_tuned_run_still_scores_0():
    reversed_scale = Scale.of(TUNED, BASELINE)
    assert mean_score(reversed_scale, TUNED) == pytest.approx(0.0, abs=1e-12)
    assert mean_score(reversed_scale, BASELINE) == pytest.approx(-1.0, abs=0.01)
    assert 0 < reversed_scale.score(decay(0.3)) < 1
    assert -1 < reversed_scale.score(decay(0.8)) < 0


def test_differences_within_the_seed_noise_are_not_blown_up():
    noisy = Scale.of([decay(1.0, noise) for noise in (-0.3, 0.0, 0.3)], [decay(0.99)] * 3)
    scores = [noisy.test_score(decay(final)) for final in (1.0, 0.99, 0.9)]
    assert np.ptp(scores) < 0.5
    assert noisy.weight < 0.01


def test_tasks_weigh_by_the_distance_of_their_references_in_noise():
    by_noise = [
        Scale.of([decay(1.0, share * noise) for share in (-1, 0, 1)], [decay(0.5)] * 3).weight
        for noise in (1e-6, 0.1, 0.5, 5.0)
    ]
    assert by_noise == sorted(by_noise, reverse=True)
    assert by_noise[0] == pytest.approx(1.0)
    # As far apart as one standard deviation, of which noise alone would give a third of the square over three seeds.
    assert by_noise[2] == pytest.approx((1 - 1 / 3) / (1 - 1 / 3 + 1))
    assert by_noise[3] == LEAST_WEIGHT


def test_a_task_is_weak_where_its_references_are_as_close_as_two_runs_of_noise():
    def apart(distance):
        """References so many standard deviations of .1 apart."""
        noises = np.asarray([-0.1, 0.0, 0.1])
        return Scale.of([decay(1.0, noise) for noise in noises], [decay(1.0 - 0.1 * distance)] * 3)

    assert [apart(distance).is_weak for distance in (0, 1, 1.1, 1.2, 3)] == [True, True, True, False, False]


DIVERGED = curve_of([np.nan] * STEPS, test=[np.nan] * STEPS)


def test_seeds_on_which_a_reference_diverged_do_not_count():
    partly = Scale.of([*BASELINE, DIVERGED], [*TUNED, DIVERGED])
    assert partly == Scale.of(BASELINE, TUNED)


def test_where_the_baseline_always_diverged_runs_are_measured_from_their_start():
    without = Scale.of([DIVERGED] * 3, TUNED)
    assert mean_score(without, TUNED) == pytest.approx(1.0)
    assert without.score(curve_of([START] * STEPS)) == pytest.approx(0.0, abs=0.05)
    assert without.score(DIVERGED) == WORST
    assert 0 < without.score(decay(1.0)) < 1
    assert 0 < without.test_score(decay(1.0)) < 1


def test_where_the_long_tuned_run_always_diverged_the_baseline_stands_in_for_it():
    without = Scale.of(BASELINE, [DIVERGED] * 3)
    assert without.tuned == without.baseline == Scale.of(BASELINE, BASELINE).baseline
    assert without.noise == pytest.approx(np.std([-0.02, 0.0, 0.02], ddof=1))  # all that is known
    assert without.is_weak
    assert without.score(DIVERGED) == WORST


# Units


def resampled(curve, validation, test):
    return Curve(
        curve.steps, curve.values, curve.horizon, curve.test, resampled={"validation": validation, "test": test}
    )


def test_the_unit_is_the_distance_of_the_references_and_never_below_the_noise(scale):
    assert scale.noise == pytest.approx(0.01)  # of differences of -.01, 0 and .01
    assert scale.unit == pytest.approx(0.5)
    assert scale.test_unit == pytest.approx(0.5)
    wide = Scale.of([decay(1.0, noise) for noise in (-2.0, 0.0, 2.0)], [decay(0.5)] * 3)
    assert wide.unit == pytest.approx(2.0)
    assert wide.test_unit == pytest.approx(2.0)
    assert wide.final_score(decay(0.0)) == pytest.approx(0.5)


def test_rows_that_stay_have_the_noise_of_their_examples_in_the_unit():
    """Draws of ±1 about the mean, of which the variance is 2, for the baseline alone: two settings err there apart."""
    base = [resampled(curve, [1.0, -1.0], [2.0, -2.0]) for curve in [decay(1.0)] * 3]
    tuned = [resampled(curve, [0.0, 0.0], [0.0, 0.0]) for curve in [decay(0.5)] * 3]
    stay, drawn = Scale.of(base, tuned), Scale.of(base, tuned, redrawn=True)
    assert stay.noise == stay.unit == pytest.approx(np.sqrt(2))
    assert stay.test_noise == stay.test_unit == pytest.approx(np.sqrt(8))
    assert (drawn.noise, drawn.unit) == (pytest.approx(0.0), pytest.approx(0.5))
    assert drawn.test_noise == pytest.approx(np.sqrt(8))


def test_the_final_score_is_of_the_best_validation_value(scale):
    assert scale.final_score(curve_of([3.0, 0.75, 2.0])) == pytest.approx(0.5)
    assert scale.final_score(decay(1.0)) == pytest.approx(0.0, abs=1e-12)
    assert scale.final_score(curve_of([3.0, -99.0])) == BEST
    assert scale.final_score(curve_of([99.0])) == WORST
    assert scale.final_score(curve_of([0.1, np.nan])) == WORST
    box = RatioScale(2.0, float("nan"))
    assert box.final_score(curve_of([5.0, 1.0])) == box.score(curve_of([5.0, 1.0]))


def test_noise_of_a_score_is_that_of_one_run():
    scale = Scale.of([decay(1.0, noise) for noise in (-0.1, 0.0, 0.1)], [decay(0.5)] * 3)
    assert scale.share_of_noise == pytest.approx(0.1 / 0.5 / np.sqrt(2))
    assert Scale.of([DIVERGED] * 3, [DIVERGED] * 3).share_of_noise == 0.0


def test_on_rows_that_a_seed_draws_the_baseline_s_run_there_is_0(scale):
    """Rows that are harder for all: by .4 in validation and by 2 in test values."""
    there = curve_of(decay(1.4).values, test=decay(1.4).values + 2)
    moved = scale.centred(there)
    assert moved.unit == pytest.approx(scale.unit)
    assert moved.test_unit == pytest.approx(scale.test_unit)
    assert moved.weight == pytest.approx(scale.weight)
    for score in (moved.score, moved.final_score, moved.test_score):
        assert score(there) == pytest.approx(0.0, abs=1e-9)
    half = curve_of(decay(1.15).values, test=decay(1.15).values + 2)
    assert moved.final_score(half) == pytest.approx(0.5)
    assert moved.test_score(half) == pytest.approx(0.5)
    assert 0 < moved.score(half) < 1


def test_where_the_baseline_diverged_on_those_rows_the_scale_stays(scale):
    assert scale.centred(DIVERGED) is scale
    broken = Scale.of([DIVERGED] * 3, [DIVERGED] * 3)
    assert broken.centred(decay(1.0)) is broken


# Where nothing is finite


def test_a_task_on_which_both_references_always_diverged_is_no_use_and_harms_nothing():
    broken = Scale.of([DIVERGED] * 3, [DIVERGED] * 3)
    assert not broken.usable
    assert broken.weight == 0.0
    assert broken.score(DIVERGED) == broken.test_score(DIVERGED) == WORST
    assert np.isfinite([broken.score(decay(1.0)), broken.test_score(decay(1.0))]).all()
    assert objective({"fine": 0.5, "broken": WORST}, {"fine": 0.9, "broken": 0.0}) == objective(
        {"fine": 0.5}, {"fine": 0.9}
    )
    assert objective({"broken": WORST}, {"broken": 0.0}) == pytest.approx(1.25 * WORST)


def test_the_objective_is_the_weighted_mean_and_a_share_of_the_worst_fifth():
    scores = {"a": 1.0, "b": 0.0, "c": 0.5, "d": 0.5, "e": 0.5}
    weights = {"a": 1.0, "b": 0.5, "c": 0.5, "d": 0.5, "e": 0.5}
    assert objective(scores, weights) == pytest.approx((1.0 + 0.75) / 3 + 0.25 * 0.0)


def test_one_broken_task_matters_more_than_its_share():
    weights = dict.fromkeys("abcdefghij", 1.0)
    even = dict.fromkeys(weights, 0.5)
    uneven = {**even, "a": WORST, "b": 0.5 + 1.5}
    assert np.mean(list(uneven.values())) == np.mean(list(even.values()))
    assert objective(uneven, weights) < objective(even, weights) - 0.1


def test_a_task_of_little_weight_still_shows_in_the_worst_fifth():
    weights = {"a": 1.0, "b": 0.001}
    assert objective({"a": 1.0, "b": WORST}, weights) < objective({"a": 1.0, "b": 1.0}, weights) - 0.4


def test_a_black_box_is_scored_by_the_log_ratio_to_its_baseline():
    scale = RatioScale(baseline=2.0, test_baseline=float("nan"))
    assert scale.score(curve_of([5.0, 2.0])) == 0.0
    assert scale.score(curve_of([5.0, 1.0, 3.0])) == pytest.approx(np.log(2))
    assert scale.score(curve_of([4.0])) == pytest.approx(-np.log(2))
    assert scale.score(curve_of([1.0, np.nan])) == WORST
    assert scale.test_score(curve_of([1.0])) == pytest.approx(np.log(2))  # it has no test values
    assert scale.test_score(curve_of([np.nan])) == WORST


@pytest.mark.parametrize("baseline", [2.0, 1e-9, 0.0, -0.9], ids=str)
def test_a_better_value_of_a_black_box_never_scores_lower(baseline):
    scale = RatioScale(baseline, float("nan"))
    scores = [scale.score(curve_of([value])) for value in (5.0, 2.0, 1.0, 1e-3, 1e-12, 0.0, -0.5, -0.9, -0.99, -2.0)]
    assert scores == sorted(scores)
    assert scale.score(curve_of([baseline])) == 0.0


def test_a_black_box_whose_baseline_diverged_can_only_be_told_to_run():
    scale = RatioScale(float("inf"), float("nan"))
    assert scale.score(curve_of([1.0])) == 0.0
    assert scale.score(curve_of([np.nan])) == WORST


def test_the_test_value_of_a_black_box_counts_where_it_yields_one():
    scale = RatioScale(baseline=1.0, test_baseline=2.0)
    curve = Curve([1, 2], [3.0, 0.5], 2, test=[9.0, 1.0])
    assert scale.test_score(curve) == pytest.approx(np.log(2))
    assert scale.test_score(curve, until=1) == WORST
