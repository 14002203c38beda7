import torch

from metaopt_controllers.constant import CONSTANT


def test_without_warm_up_the_rate_is_always_the_peak_even_if_nobody_knows_the_horizon(rates):
    assert rates(CONSTANT, None, 5).tolist() == [1.0] * 5
    assert rates(CONSTANT, 3, 5).tolist() == [1.0] * 5


def test_warm_up_rises_in_equal_parts_and_never_starts_at_zero(rates):
    expected = torch.tensor([0.25, 0.5, 0.75, 1.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(rates(CONSTANT, 40, 6, warmup=0.1), expected)


def test_the_horizon_is_required_only_for_a_warm_up():
    assert CONSTANT.required({"warmup": 0.0}) == frozenset()
    assert CONSTANT.required({"warmup": 0.1}) == {"horizon"}
