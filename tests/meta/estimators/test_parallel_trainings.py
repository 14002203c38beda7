"""Pairs of trainings begin alike, at different times, and anew when they are over."""

import math

import pytest
import torch

from metaopt.meta.estimators.parallel_trainings import LEAST, MOST, Trainings
from metaopt.meta.inner_loop import InnerLoop
from tests.meta.conftest import learned, small_waves

PAIRS = 3


@pytest.fixture
def trainings():
    inner_loop = InnerLoop(small_waves(episodes_per_iteration=PAIRS), learned("maml"))
    theta = inner_loop.meta.init_theta(
        inner_loop.parameters, torch.Generator().manual_seed(0), inner_loop.assembly.meta_values
    )
    return Trainings(inner_loop, theta, longest=20, truncation=5, mode="eager")


def begun(trainings):
    thetas = {name: weights.expand(2 * PAIRS, *weights.shape).contiguous() for name, weights in trainings.theta.items()}
    return thetas, *trainings.current(thetas, {}, torch.Generator().manual_seed(1))


def test_halves_of_a_pair_have_one_start_and_one_horizon(trainings):
    _, state, is_new = begun(trainings)
    assert is_new.tolist() == [True] * PAIRS
    assert all(torch.equal(param[:PAIRS], param[PAIRS:]) for param in state["params"].values())
    assert set(state["horizon"].tolist()) <= {5.0, 10.0, 15.0, 20.0}
    assert all(
        end % 5 == 0 and 5 <= end <= horizon for end, horizon in zip(state["end"], state["horizon"], strict=True)
    )


def test_only_what_is_over_begins_anew(trainings):
    thetas, state, _ = begun(trainings)
    state = {**state, "step": torch.tensor([5.0, 20.0, 5.0]), "end": torch.tensor([10.0, 20.0, 15.0])}
    again, is_new = trainings.current(thetas, state, torch.Generator().manual_seed(2))
    assert is_new.tolist() == [False, True, False]
    assert again["step"].tolist() == [5.0, 0.0, 5.0]
    assert again["end"][0] == 10.0
    assert again["end"][1] == again["horizon"][1]


@pytest.mark.parametrize("lost", [[0], [PAIRS], [0, PAIRS]], ids=["first half", "second half", "both halves"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_pair_ends_once_either_half_is_lost(trainings, lost, value):
    _, state, _ = begun(trainings)
    state = {**state, "end": torch.full((PAIRS,), 20.0)}
    losses = torch.ones(2 * PAIRS, 5)
    losses[lost, 2] = value
    after = trainings.after(state, losses, (state["params"], state["rule"]))
    assert after["step"].tolist() == [5.0] * PAIRS
    assert after["end"].tolist() == [5.0, 20.0, 20.0]


def test_losses_count_in_units_of_the_first_one_within_bounds(trainings):
    losses = torch.tensor([[2.0, 1.0, 100.0, math.nan, 0.0]] * 2 * PAIRS)
    after = {"level": torch.full((PAIRS,), 2.0)}
    assert trainings.values(losses, after, logarithmic=False)[0].tolist() == [1.0, 0.5, MOST, MOST, 0.0]
    logarithms = trainings.values(losses, after, logarithmic=True)[0].tolist()
    assert logarithms == pytest.approx([0.0, math.log(0.5), math.log(MOST), math.log(MOST), math.log(LEAST)])


def test_the_level_is_the_mean_first_loss_of_the_pair(trainings):
    _, state, _ = begun(trainings)
    losses = torch.ones(2 * PAIRS, 5)
    losses[:, 0] = torch.tensor([1.0, 2.0, 3.0, 3.0, 4.0, 5.0])
    carry = state["params"], state["rule"]
    after = trainings.after(state, losses, carry)
    assert after["level"].tolist() == [2.0, 3.0, 4.0]
    assert trainings.after(after, 7 * losses, carry)["level"].tolist() == [2.0, 3.0, 4.0]
