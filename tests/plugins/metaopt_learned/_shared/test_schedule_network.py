"""What the network of learned schedules sees and says."""

import math

import pytest
import torch

from metaopt_learned._shared import schedule_network
from metaopt_learned._shared.schedule_network import INPUTS, KINDS


def test_what_is_seen_knows_no_scale_and_stays_bounded():
    """A loss a thousand times as large is the same training to a rule that knows no scale."""
    state, fresh = schedule_network.fresh(3, torch.zeros(())), torch.Generator().manual_seed(2)
    other = {name: one.clone() for name, one in state.items()}
    for step in range(30):
        loss, norms = torch.rand((), generator=fresh), torch.rand(3, generator=fresh)
        seen = schedule_network.StepSummary(loss, torch.tensor(step / 30), norms, norms - 0.5, norms, norms)
        scaled = schedule_network.StepSummary(1e3 * loss, seen.fraction, 1e3 * norms, seen.agreement, norms, norms)
        inputs, state = step_of(state, seen)
        same_inputs, other = step_of(other, scaled)
        torch.testing.assert_close(same_inputs, inputs, rtol=1e-3, atol=1e-3)
        assert inputs.abs().max() <= 3


def step_of(state, seen):
    inputs, new = schedule_network.features(state, seen)
    return inputs, {**state, **new}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_bad_loss_spoils_nothing(value):
    state = schedule_network.fresh(3, torch.zeros(()))
    for loss in (1.0, value, 0.9):
        ones = torch.full((3,), value if loss is value else 1.0)
        seen = schedule_network.StepSummary(torch.tensor(loss), torch.tensor(0.1), ones, ones, ones, ones)
        inputs, state = step_of(state, seen)
        assert inputs.isfinite().all()
    assert all(one.isfinite().all() for one in state.values())


def test_tensors_are_of_three_kinds_by_their_dimensions():
    shapes = [(), (3,), (3, 2), (3, 2, 2), (3, 2, 2, 2)]
    assert [schedule_network.kind_of(torch.zeros(shape)) for shape in shapes] == [0, 0, 1, 2, 2]


def test_inputs_of_two_steps_worked_out_by_hand():
    state = schedule_network.fresh(3, torch.zeros(()))
    ones = torch.ones(KINDS)
    half = torch.full((KINDS,), 0.5)
    first = schedule_network.StepSummary(torch.tensor(2.0), torch.tensor(0.0), ones, 0 * ones, 0 * ones, ones)
    _, state = step_of(state, first)
    second = schedule_network.StepSummary(torch.tensor(1.0), torch.tensor(0.1), math.e * ones, half, half, 2 * ones)
    inputs, _ = step_of(state, second)
    assert inputs.shape == (KINDS, INPUTS)
    # Means of 2 and 1: fast 1.9, slow 1.99, mean distance from the slow one .1 · |1 − 2|.
    shared = [-0.8, math.log(2) / 3 - 1, math.log(0.95), -0.9, math.log(0.1 / 1.99) / 2 + 1]
    # ln e against its own mean .1 and its first 0; cosine .5, its mean .05; an update a quarter as large.
    own = [0.9, 0.5, 1.5, 0.15, math.log(0.25) / 2 + 3, 1.0]
    for kind in range(KINDS):
        expected = [*shared, *own, *(float(kind == other) for other in range(KINDS))]
        assert inputs[kind].tolist() == pytest.approx(expected, rel=1e-4)


def test_before_it_is_trained_it_changes_nothing_and_never_says_stop():
    theta = schedule_network.init_theta({}, torch.Generator().manual_seed(0), {"hidden_size": 4})
    inputs = torch.randn(KINDS, INPUTS, generator=torch.Generator().manual_seed(1))
    decisions, hidden, _ = schedule_network.respond(theta, inputs, torch.zeros(KINDS, 4), torch.zeros(KINDS, 4))
    assert not decisions.any()
    assert hidden.any(), "the cell itself looks at what it sees"
    assert schedule_network.enough(theta, inputs).tolist() == pytest.approx([1 / (1 + math.exp(6))] * KINDS)
    assert schedule_network.shapes(theta) == {name: tuple(tensor.shape) for name, tensor in theta.items()}
