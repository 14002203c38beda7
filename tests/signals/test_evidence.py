"""Evidence is 1 less the mean of B·g²/Var(g) over the coordinates that move."""

import math

import pytest
import torch

from metaopt.signals.evidence import GradientMoments, evidence


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_moments_are_torchs_mean_and_variance():
    gradients = randn(7, 3)
    moments = GradientMoments.of(gradients)
    assert moments.count == 7
    torch.testing.assert_close(moments.mean, gradients.mean(0))
    torch.testing.assert_close(moments.squares / 6, gradients.var(0))


def test_moments_of_two_sets_joined_are_those_of_all():
    gradients = randn(9, 2, 3)
    joined = GradientMoments.of(gradients[:4]).joined(GradientMoments.of(gradients[4:]))
    whole = GradientMoments.of(gradients)
    assert joined.count == 9
    torch.testing.assert_close(joined.mean, whole.mean)
    torch.testing.assert_close(joined.squares, whole.squares)


def test_gradients_lie_along_any_axis():
    gradients = randn(5, 7)
    torch.testing.assert_close(GradientMoments.of(gradients, dim=1).squares, GradientMoments.of(gradients.t()).squares)


def test_it_is_equation_7_worked_by_hand():
    """Gradients (1, 3) and (0, 2): means 2 and 1, variances 2 and 2, so B·g²/Var(g) is 4 and 1, and 1 − 5/2 = −1.5."""
    gradients = torch.tensor([[[1.0, 0.0]], [[3.0, 2.0]]])  # two of them, one member, two coordinates
    assert evidence([GradientMoments.of(gradients)]).tolist() == [-1.5]


def test_tensors_are_taken_together_and_members_apart():
    first, second = randn(4, 3, 5, seed=0), randn(4, 3, 2, seed=1)
    apart = evidence([GradientMoments.of(first), GradientMoments.of(second)])
    whole = evidence([GradientMoments.of(torch.cat([first, second], 2))])
    assert apart.shape == (3,)
    torch.testing.assert_close(apart, whole)


def test_dead_units_are_left_out():
    live = torch.tensor([[[1.0]], [[3.0]]])
    with_dead = torch.cat([live, torch.zeros(2, 1, 4)], 2)
    assert torch.equal(evidence([GradientMoments.of(with_dead)]), evidence([GradientMoments.of(live)]))


def test_where_nothing_moves_it_is_1_and_where_there_is_no_noise_minus_infinity():
    assert evidence([GradientMoments.of(torch.zeros(2, 1, 3))]).tolist() == [1.0]
    assert evidence([GradientMoments.of(torch.ones(2, 1, 3))]).tolist() == [-math.inf]


def test_of_noise_alone_it_is_0_on_average():
    """B·g²/Var(g) of B normal numbers has mean (B − 1)/(B − 3); at B = 400 that is 1.005."""
    value = evidence([GradientMoments.of(randn(400, 1, 2000))]).item()
    assert value == pytest.approx(0.0, abs=0.1)
