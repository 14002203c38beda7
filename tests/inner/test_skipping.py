"""Members whose gradients overflow take no step, and end after twenty such steps in a row."""

import pytest
import torch

from metaopt.inner.skipping import Skipping, are_lost, norms
from metaopt.signals import LARGEST_NORM, MAX_SKIPS


def grads(*first):
    """One buffer of three columns whose rows begin with these numbers."""
    return {"float32": torch.tensor([[number, 1.0, 0.0] for number in first])}


def test_norms_are_over_all_buffers():
    flats = {"float32": torch.tensor([[3.0], [0.0], [9.0]]), "float64": torch.tensor([[4.0], [2.0], [9.0]]).double()}
    torch.testing.assert_close(norms(flats, 2), torch.tensor([5.0, 2.0]).double())
    torch.testing.assert_close(norms({"float32": flats["float32"]}, 2), torch.tensor([3.0, 0.0]))


def test_where_every_gradient_is_sound_nobody_is_skipped():
    assert Skipping(2).rows(grads(1.0, -2.0)) is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_a_member_whose_gradient_overflows_is_skipped_alone(number):
    skipping = Skipping(3)
    assert skipping.rows(grads(1.0, number, 2.0)).tolist() == [1]
    assert not skipping.ended.any()
    assert skipping.rows(grads(1.0, 3.0, 2.0)) is None


def test_rows_that_only_fill_a_block_do_not_count():
    assert Skipping(1).rows(grads(1.0, float("nan"))) is None


def test_a_member_ends_after_so_many_skips_in_a_row_and_then_goes_on():
    skipping = Skipping(2)
    for _ in range(MAX_SKIPS - 1):
        assert skipping.rows(grads(float("nan"), 1.0)).tolist() == [0]
    skipping.rows(grads(1.0, 1.0))  # a sound step: counting begins anew
    for _ in range(MAX_SKIPS):
        assert skipping.rows(grads(float("nan"), 1.0)).tolist() in ([0], [])  # the last one ends it
    assert skipping.ended.tolist() == [True, False]
    assert skipping.rows(grads(float("nan"), 1.0)) is None
    assert skipping.rows(grads(float("nan"), float("nan"))).tolist() == [1]


def test_weights_are_lost_where_they_cannot_be_squared():
    flats = {"float32": torch.tensor([[1.0, 2.0], [float("nan"), 0.0], [2 * LARGEST_NORM, 0.0]])}
    assert are_lost(flats, 3).tolist() == [False, True, True]
