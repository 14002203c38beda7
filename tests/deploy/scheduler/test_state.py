"""A scheduler goes on from its own state alone, and says where the plan is another."""

import re

import pytest
import torch

import metaopt
from metaopt.deploy.scheduler.state import check_state, in_force, take_bases

STATE = {
    "controller": "wsd",
    "total_steps": 100,
    "last_epoch": 40,
    "step_count": 41,
    "rate": 0.1,
    "absolute": False,
    "metric": None,
    "state": {},
    "base_lrs": [0.1],
}


def sgd_of(*rates):
    return torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates])


def test_its_own_state_with_the_same_plan_is_taken_in_silence():
    assert check_state(STATE, {"controller": "wsd"}, 100) is None


def test_what_differs_is_named_with_both_values():
    with pytest.raises(metaopt.InputError, match=r"This scheduler's controller is 'cosine', the state's is 'wsd'"):
        check_state(STATE, {"controller": "cosine"}, 100)


def test_what_is_missing_is_named():
    state = {key: value for key, value in STATE.items() if key not in ("rate", "metric")}
    with pytest.raises(metaopt.InputError, match=r"not what scheduler\.state_dict\(\) returned: it lacks metric, rate"):
        check_state(state, {}, 100)


@pytest.mark.parametrize("state", [None, 3, [STATE]])
def test_what_is_no_mapping_is_refused(state):
    with pytest.raises(metaopt.InputError, match=re.escape("A scheduler continues from its state_dict(), got ")):
        check_state(state, {}, 100)


@pytest.mark.parametrize("horizon", [40, 200, None])
def test_another_plan_that_is_not_over_is_warned_of(horizon):
    with pytest.warns(UserWarning, match=f"total_steps=100, this scheduler has {horizon}: from step 40 on"):
        check_state(STATE, {}, horizon)


def test_a_plan_that_is_over_is_refused():
    with pytest.raises(metaopt.InputError, match=r"step 40 of 100, and this scheduler plans 39: nothing is left"):
        check_state(STATE, {}, 39)


def test_rates_are_in_force_until_somebody_changes_or_adds_one():
    optimizer = sgd_of(0.1, 0.2)
    assert in_force(optimizer, [0.1, torch.tensor(0.2, dtype=torch.float64)])
    assert not in_force(optimizer, [0.1, 0.3])
    assert not in_force(optimizer, [0.1])


def test_groups_take_the_rates_that_a_scheduler_began_with_where_there_are_as_many():
    optimizer = sgd_of(0.1, 0.2)
    take_bases(optimizer, [1.0])
    assert not any("initial_lr" in group for group in optimizer.param_groups)
    take_bases(optimizer, [1.0, torch.tensor(2.0)])
    assert [group["initial_lr"] for group in optimizer.param_groups] == [1.0, 2.0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]
