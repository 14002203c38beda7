"""How much of a difference between two settings is noise."""

import numpy as np
import pytest
import torch

import metaopt
from metaopt.contracts import ALL_REDRAWN, REDRAWN
from metaopt.tuning.judging.noise import (
    Difference,
    best_so_far,
    combined,
    difference_noise,
    examples_variance,
    final_of,
    overlap_of,
    paired_difference,
)

NAN = float("nan")


def curve(*values, test=None, validation=None, resampled_test=None):
    """Of these validations; resampled values by split."""
    draws = {"validation": validation, "test": resampled_test}
    resampled = {name: np.asarray(values) for name, values in draws.items() if values is not None}
    steps = np.arange(1.0, len(values) + 1)
    return metaopt.Curve(steps, np.asarray(values), len(values), test, resampled=resampled)


def test_the_best_so_far_skips_what_is_not_finite():
    assert best_so_far(curve(3.0, NAN, 2.0, np.inf, 2.5, 1.0)).tolist() == [3.0, 3.0, 2.0, 2.0, 2.0, 1.0]
    assert best_so_far(curve(NAN, 2.0)).tolist() == [np.inf, 2.0]


def test_the_final_value_of_a_run():
    run = curve(3.0, 1.0, 2.0, test=[30.0, 10.0, 5.0])
    assert final_of(run, "validation") == 1.0
    assert final_of(run, "test") == 10.0
    assert np.isnan(final_of(curve(3.0), "test"))
    assert np.isnan(final_of(curve(3.0, NAN, test=[1.0, 1.0]), "validation"))
    assert np.isnan(final_of(curve(3.0, NAN, test=[1.0, 1.0]), "test"))


# The noise of one run of each


def test_noise_is_of_differences_paired_by_seed():
    """Runs that differ widely by seed, and always by 1, 2 and 3 from each other: the variance of 1, 2, 3 is 1."""
    first = [curve(11.0), curve(52.0), curve(93.0)]
    second = [curve(10.0), curve(50.0), curve(90.0)]
    assert difference_noise(first, second, "validation", redrawn=True) == pytest.approx(1.0)


def test_noise_of_rows_that_stay_has_that_of_their_examples_too():
    """Pairs: variances of 4 (of ±2 about 0, three draws) and 0, so 2 in the mean; seeds add 1."""
    first = [curve(1.0, validation=[2.0, 0.0, -2.0]), curve(2.0, validation=[1.0, 1.0, 1.0]), curve(3.0)]
    second = [curve(0.0, validation=[0.0, 0.0, 0.0]), curve(0.0, validation=[0.0, 0.0, 0.0]), curve(0.0)]
    assert examples_variance(list(zip(first, second, strict=True)), "validation") == pytest.approx(2.0)
    assert difference_noise(first, second, "validation", redrawn=False) == pytest.approx(np.sqrt(1 + 2))
    assert difference_noise(first, second, "validation", redrawn=True) == pytest.approx(1.0)


def test_test_rows_stay_whether_others_are_redrawn_or_not():
    first = [curve(9.0, test=[value], resampled_test=[1.0, -1.0]) for value in (1.0, 2.0, 3.0)]
    second = [curve(9.0, test=[0.0], resampled_test=[0.0, 0.0]) for _ in range(3)]
    for redrawn in (False, True):
        assert difference_noise(first, second, "test", redrawn=redrawn) == pytest.approx(np.sqrt(1 + 2))


def test_examples_on_which_both_err_alike_are_no_noise_of_their_difference():
    pair = curve(1.0, validation=[1.0, 5.0, 3.0]), curve(2.0, validation=[2.0, 6.0, 4.0])
    assert examples_variance([pair], "validation") == 0.0


def test_runs_that_diverged_count_for_neither():
    first = [curve(1.0), curve(2.0), curve(3.0), curve(NAN, validation=[5.0, 9.0])]
    second = [curve(0.0), curve(0.0), curve(0.0), curve(0.0, validation=[0.0, 0.0])]
    assert difference_noise(first, second, "validation", redrawn=False) == pytest.approx(1.0)


def test_where_one_of_two_always_diverges_the_other_s_own_noise_is_what_is_known():
    first, second = [curve(NAN)] * 3, [curve(1.0), curve(3.0), curve(5.0)]
    assert difference_noise(first, second, "validation", redrawn=True) == pytest.approx(2.0)
    assert difference_noise(second, first, "validation", redrawn=True) == pytest.approx(2.0)
    assert difference_noise(first, first, "validation", redrawn=True) == 0.0


def test_of_a_single_seed_nothing_is_known():
    assert difference_noise([curve(1.0)], [curve(2.0)], "validation", redrawn=True) == 0.0
    assert difference_noise([curve(1.0)], [curve(2.0)], "test", redrawn=False) == 0.0


# The mean over seeds


def test_the_variance_of_a_mean_over_seeds():
    """Differences 1, 3, 5: mean 3, variance 4, of their mean 4 / 3, by two degrees of freedom."""
    found = paired_difference(np.asarray([11.0, 23.0, 35.0]), np.asarray([10.0, 20.0, 30.0]))
    assert found.value == pytest.approx(3.0)
    assert found.variance == pytest.approx(4 / 3)
    assert found.freedom == 2
    assert found.error == pytest.approx(np.sqrt(4 / 3))


def test_rows_that_draws_share_do_not_average_out():
    """Nadeau and Bengio's correction: 1 / n becomes 1 / n + n_test / n_train."""
    found = paired_difference(np.asarray([1.0, 3.0, 5.0]), np.zeros(3), overlap=0.25)
    assert found.variance == pytest.approx(4 * (1 / 3 + 1 / 4))


def test_seeds_that_one_of_the_two_did_not_run_on_are_left_out():
    found = paired_difference(np.asarray([1.0, NAN, 3.0, 5.0]), np.asarray([0.0, 0.0, 0.0, 0.0]))
    assert (found.value, found.variance, found.freedom) == (pytest.approx(3.0), pytest.approx(4 / 3), 2)


def test_examples_add_their_variance():
    """4 / 3 by seeds, 1 by examples. A share of 4 / 7 has two degrees of freedom, the rest as good as all."""
    found = paired_difference(np.asarray([1.0, 3.0, 5.0]), np.zeros(3), np.asarray([1.0, 0.0, -1.0]))
    assert found.variance == pytest.approx(4 / 3 + 1)
    assert found.freedom == pytest.approx(2 / (4 / 7) ** 2)


def test_of_one_seed_examples_alone_are_known():
    found = paired_difference(np.asarray([2.0]), np.asarray([0.5]), np.asarray([1.0, 0.0, -1.0]))
    assert (found.value, found.variance) == (1.5, 1.0)
    unknown = paired_difference(np.asarray([2.0]), np.asarray([0.5]))
    assert unknown.value == 1.5
    assert np.isnan(unknown.variance)
    assert np.isnan(paired_difference(np.asarray([NAN]), np.asarray([1.0])).value)


def test_settings_that_never_differ_differ_by_nothing_surely():
    same = paired_difference(np.asarray([1.0, 2.0, 3.0]), np.asarray([1.0, 2.0, 3.0]))
    assert (same.value, same.variance, same.margin(0.975)) == (0.0, 0.0, 0.0)


def test_the_order_of_seeds_changes_nothing():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 8))
    order = generator.permutation(8)
    one, other = paired_difference(first, second), paired_difference(first[order], second[order])
    assert (one.value, one.variance) == (pytest.approx(other.value), pytest.approx(other.variance))


def test_the_variance_of_a_mean_is_what_repeated_draws_show():
    generator = np.random.default_rng(0)
    both = generator.normal(size=(4_000, 2, 5)) + 3 * generator.normal(size=(4_000, 1, 5))  # seeds that both share
    found = [paired_difference(first, second) for first, second in both]
    assert np.mean([one.variance for one in found]) == pytest.approx(np.var([one.value for one in found]), rel=0.1)
    covered = np.mean([abs(one.value) <= one.margin(0.975) for one in found])
    assert covered == pytest.approx(0.95, abs=0.012)


# Over tasks


def test_margins_are_those_of_a_t_distribution():
    assert Difference(1.0, 4.0, 2.0).margin(0.975) == pytest.approx(2 * 4.302653, rel=1e-6)
    assert Difference(1.0, 4.0, 1e9).margin(0.975) == pytest.approx(2 * 1.959964, rel=1e-5)
    assert Difference(1.0, 4.0, 3.0).margin(0.5) == pytest.approx(0, abs=1e-9)
    assert Difference(1.0, 4.0, 0.1).margin(0.975) == Difference(1.0, 4.0, 1.0).margin(0.975)


def test_a_weighted_sum_by_welch_and_satterthwaite():
    """Variances of 1 and 4 with weights 1 and 1/2 are 1 each: ν = (1 + 1)² / (1² / 4 + 1² / 10)."""
    parts = [Difference(2.0, 1.0, 4.0), Difference(6.0, 4.0, 10.0)]
    found = combined(parts, np.asarray([1.0, 0.5]))
    assert found.value == 5.0
    assert found.variance == 2.0
    assert found.freedom == pytest.approx(4 / (1 / 4 + 1 / 10))


def test_equal_parts_have_the_degrees_of_freedom_of_all_of_them():
    parts = [Difference(1.0, 1.0, 3.0)] * 5
    assert combined(parts, np.full(5, 0.2)).freedom == pytest.approx(15)
    assert combined(parts, np.full(5, 0.2)).variance == pytest.approx(0.2)


def test_a_part_of_which_nothing_is_known_leaves_the_sum_unknown():
    found = combined([Difference(1.0, 1.0, 3.0), Difference(3.0, NAN, 1.0)], np.asarray([0.5, 0.5]))
    assert found.value == 2.0
    assert np.isnan(found.variance)
    assert combined([Difference(1.0, 0.0, 3.0)], np.ones(1)).variance == 0.0


# Rows that draws share


def test_the_overlap_of_draws_is_the_share_of_evaluated_rows(make_task):
    def parts(*counts):
        return metaopt.Splits(*(metaopt.Split(torch.zeros(n, 3), torch.zeros(n, 1)) for n in counts))

    task = make_task(data=parts(60, 20, 30), redraw=lambda seed, *, test: None)
    assert overlap_of(task, REDRAWN) == pytest.approx(20 / 60)
    assert overlap_of(task, ALL_REDRAWN) == pytest.approx(30 / 60)
    assert overlap_of(task, 1) == 0
    assert overlap_of(make_task(), REDRAWN) == 0
    assert overlap_of(metaopt.BlackBoxTask("job", "jobs", train=lambda recipe, seed: iter([(1, 1.0)])), REDRAWN) == 0
