"""Linear warm-up and the progress after it, and the same two as plain Python."""

import pytest
import torch

from metaopt import plain_warmup, warmup_multiplier
from metaopt_controllers._shared.open_loop import plain_progress, progress

HORIZON = 20


def at_each_step(function, warmup, num_steps=HORIZON + 3):
    steps = torch.arange(num_steps, dtype=torch.float64)
    return function(steps, torch.tensor(float(HORIZON)), torch.tensor(warmup, dtype=torch.float64)).tolist()


def test_it_rises_evenly_from_a_first_step_that_moves_to_the_peak():
    assert at_each_step(warmup_multiplier, 0.2, 6) == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("warmup", [0.0, 0.04])
def test_less_than_a_step_is_no_warm_up(warmup):
    assert set(at_each_step(warmup_multiplier, warmup)) == {1.0}


def test_progress_begins_when_the_warm_up_ends_and_stops_at_the_horizon():
    found = at_each_step(progress, 0.2)
    assert found[:5] == [0.0] * 5
    assert found[5] == pytest.approx(1 / 16)
    assert found[HORIZON - 1] == pytest.approx(15 / 16), "the last planned step is one short of the end"
    assert found[HORIZON:] == [1.0] * 3


def test_a_warm_up_that_takes_all_of_it_leaves_progress_at_zero_until_the_end():
    assert at_each_step(progress, 1.0) == [0.0] * (HORIZON + 1) + [1.0] * 2


@pytest.mark.parametrize("warmup", [0.0, 0.04, 0.2, 1.0])
@pytest.mark.parametrize(("function", "plain"), [(warmup_multiplier, plain_warmup), (progress, plain_progress)])
def test_the_plain_expression_says_the_same(function, plain, warmup):
    expression = plain(warmup)
    found = [eval(expression, {"step": step, "total_steps": HORIZON}) for step in range(HORIZON + 3)]
    assert found == pytest.approx(at_each_step(function, warmup))
