"""The schedule of opt_list, beside its formula in plain Python."""

import math

import pytest
import torch

from metaopt_controllers.warmup_hold_cosine import WARMUP_HOLD_COSINE


def original(step: int, num_steps: int, warmup: float, hold: float, final_ratio: float) -> float:
    """`get_cosine_learning_rate_fn` of opt_list's TensorFlow code at a learning rate of 1."""
    step = min(step, num_steps)
    constant_steps = num_steps * hold
    warmup_steps = num_steps * min(warmup, hold)
    if warmup and step < warmup_steps:
        return step / warmup_steps
    passed = max(step, constant_steps) - constant_steps
    return (1 - final_ratio) * (math.cos(passed * math.pi / (num_steps - constant_steps)) / 2 + 0.5) + final_ratio


@pytest.mark.parametrize(
    ("warmup", "hold", "final_ratio"),
    [(0.0, 0.3, 0.0), (0.1, 0.3, 0.02), (1e-5, 0.75, 0.9), (0.3, 0.1, 0.0), (0.05, 0.999, 0.5)],
)
@pytest.mark.parametrize("num_steps", [7, 150])
def test_it_is_the_original(rates, num_steps, warmup, hold, final_ratio):
    expected = [original(step, num_steps, warmup, hold, final_ratio) for step in range(num_steps + 3)]
    found = rates(WARMUP_HOLD_COSINE, num_steps, num_steps + 3, warmup=warmup, hold=hold, final_ratio=final_ratio)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_a_warm_up_longer_than_the_hold_ends_with_the_hold(rates):
    found = rates(WARMUP_HOLD_COSINE, 100, 30, warmup=0.3, hold=0.1, final_ratio=0.0)
    assert found.argmax() == 10  # the ports, which take the longer of the two, would still warm up


def test_it_holds_to_the_end(rates):
    assert rates(WARMUP_HOLD_COSINE, 10, 10, hold=1.0).tolist() == [1.0] * 10
