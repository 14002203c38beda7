"""A rule goes on from a saved state entry by entry, in its own precision."""

import pytest
import torch

import metaopt
from metaopt.deploy.state.rule_state import fitted, fitted_shared

FRESH = {
    "tensors": {"weight": {"moment": torch.zeros(2), "step": torch.zeros((), dtype=torch.int64)}},
    "shared": {"distance": torch.zeros((), dtype=torch.float64)},
}


def saved(**entries):
    return {0: {"moment": torch.tensor([1.0, 2.0], dtype=torch.bfloat16), "step": torch.tensor(3), **entries}}


def test_floats_come_in_the_rules_precision_and_counters_as_they_are():
    state = fitted(saved(), FRESH, {0: "weight"}, "mine")
    assert state[0]["moment"].dtype is torch.float32
    assert state[0]["moment"].tolist() == [1.0, 2.0]
    assert state[0]["step"].dtype is torch.int64
    assert state[0]["step"].item() == 3


def test_a_parameter_that_never_stepped_has_no_state():
    assert fitted({}, FRESH, {0: "weight"}, "mine") == {}


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({0: {"moment": torch.zeros(2)}}, r"'mine': its state of the parameter 'weight' lacks 'step'"),
        (saved(velocity=torch.zeros(2)), r"'weight' holds 'velocity', which that does not know"),
        (saved(moment=torch.zeros(3)), r"'weight'.*3"),
    ],
    ids=["missing", "unknown", "of another shape"],
)
def test_an_entry_that_does_not_fit_is_named(entries, sentence):
    with pytest.raises(metaopt.InputError, match=sentence):
        fitted(entries, FRESH, {0: "weight"}, "mine")


def test_what_all_tensors_share_is_empty_before_the_first_step():
    assert fitted_shared({}, FRESH, "mine") == {}
    shared = fitted_shared({"distance": torch.tensor(0.5)}, FRESH, "mine")
    assert shared["distance"].dtype is torch.float64
    assert shared["distance"].item() == 0.5
    with pytest.raises(metaopt.InputError, match="lacks 'distance'"):
        fitted_shared({"length": torch.tensor(0.5)}, FRESH, "mine")
