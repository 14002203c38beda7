"""A warm-up rises in a straight line to its peak."""

import pytest
import torch

import metaopt
from metaopt.contracts import warmup_horizon


@pytest.mark.parametrize(("warmup", "horizon"), [(0.1, 100), (0.05, 500), (0.0, 10), (1.0, 7), (0.01, 20)])
def test_plain_python_computes_the_same(warmup, horizon):
    steps = torch.arange(horizon, dtype=torch.float64)
    rising = metaopt.warmup_multiplier(steps, *torch.tensor([horizon, warmup], dtype=torch.float64))
    expression = metaopt.plain_warmup(warmup)
    plain = [
        eval(expression, {"step": step, "total_steps": horizon, "min": min, "max": max}) for step in range(horizon)
    ]
    assert rising.tolist() == pytest.approx(plain)
    assert rising[0] > 0
    assert rising[max(round(warmup * horizon) - 1, 0) :].sub(1).abs().max() < 1e-12


def test_without_a_plan_it_is_that_of_the_anchor():
    assert warmup_horizon(None) == 500
    assert warmup_horizon(80) == 80
