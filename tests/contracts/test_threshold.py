import json
import math

import numpy as np
import pytest

from metaopt import (
    Categorical,
    Curve,
    CurveBatch,
    Float,
    InputError,
    Observation,
    PluginError,
    Stopper,
    ThresholdStopper,
)
from metaopt.contracts import first_stop, first_stop_of_all, first_stop_of_any

SPACE = {"limit": Float(0.0, 10.0, default=5.0), "side": Categorical(("above", "below"))}


def outside(batch, hparams):
    above = batch.values > hparams["limit"]
    return np.where(np.asarray(hparams["side"]) == 0, above, ~above)


def stopper(mode="min", requires=frozenset(), name="outside", fires=outside, **hparams):
    return ThresholdStopper(name, fires, {"limit": 5.0, "side": "above", **hparams}, mode, requires, SPACE)


def follow(policy, values, start=0, **kwargs):
    return [policy.observe(Observation(start + step, value, **kwargs)) for step, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    "fires",
    [
        lambda batch, hparams: None,
        lambda batch, hparams: True,
        lambda batch, hparams: (batch.values > 1).any(-1),
        lambda batch, hparams: [[True]],
    ],
)
def test_an_answer_of_another_shape_is_named(fires):
    policy = stopper(fires=fires)
    with pytest.raises(PluginError, match=r"pure form of the stopper 'outside' must return .* here \(1, [12]\), got"):
        follow(policy, [1.0, 2.0])


def test_it_is_a_stopper():
    assert isinstance(stopper(), Stopper)


def test_once_it_has_stopped_it_stays_stopped_for_the_same_reason():
    decisions = follow(stopper(), [1.0, 6.0, 2.0])
    assert [decision.stop for decision in decisions] == [False, True, True]
    assert decisions[0].reason == ""
    assert decisions[1].reason == decisions[2].reason
    assert decisions[1].reason == ("outside(limit=5.0, side=above) fired at step 2 with the value 6: best 1 at step 1.")


def test_the_policy_gets_choices_as_numbers_and_people_see_them_as_they_wrote_them():
    decision = follow(stopper(side="below"), [6.0, 4.0])[-1]
    assert decision.stop
    assert "side=below" in decision.reason


def test_the_best_is_in_the_users_orientation_and_never_a_number_that_is_not_finite():
    decision = follow(stopper("max"), [math.inf, 0.3, 0.5, None, math.nan, 0.5, 0.4])[-1]
    assert (decision.best_step, decision.best_value) == (3, 0.5)


def test_before_a_finite_value_there_is_no_best():
    decision = follow(stopper(limit=-1.0), [math.nan, math.inf])[-1]
    assert (decision.best_step, decision.best_value) == (None, None)
    assert decision.reason.endswith("no finite value was seen.")


@pytest.mark.parametrize("value", [None, "broken", object(), [1.0], math.nan, np.zeros(3), 10**400])
def test_no_value_makes_it_raise(value):
    assert not follow(stopper(), [value])[0].stop


def test_its_state_is_strict_json_and_it_goes_on_from_it():
    values = [1.0, math.nan, math.inf, 2.0, 6.0, 1.0]
    unbroken = follow(stopper(limit=math.inf), values)
    first, second = stopper(limit=math.inf), stopper(limit=math.inf)
    before = follow(first, values[:3])
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert before + follow(second, values[3:], start=3) == unbroken


def test_a_recorded_stop_neither_fires_again_nor_is_forgotten():
    first, second = stopper(), stopper()
    stopped = follow(first, [1.0, 6.0])[-1]
    second.load_state_dict(first.state_dict())
    again = second.observe(Observation(3, 7.0))
    assert (again.stop, again.reason, again.best_step) == (True, stopped.reason, 1)


def test_the_saved_state_does_not_change_with_what_follows():
    policy = stopper()
    follow(policy, [1.0])
    state = policy.state_dict()
    follow(policy, [2.0], start=1)
    assert state["values"] == [1.0]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"name": "patience"}, "name is 'outside', the state's is 'patience'"),
        ({"mode": "max"}, "mode is 'min', the state's is 'max'"),
    ],
)
def test_the_state_of_another_policy_is_refused(other, message):
    state = {**stopper().state_dict(), **other}
    with pytest.raises(InputError, match=message):
        stopper().load_state_dict(state)


@pytest.mark.parametrize("damage", [{"steps": None}, {"steps": [1, 2]}, {"values": 3}, {"values": [1, 2, 3]}])
def test_a_damaged_state_is_refused_and_changes_nothing(damage):
    policy = stopper()
    follow(policy, [1.0])
    with pytest.raises(InputError, match="no state of the stopper 'outside'"):
        policy.load_state_dict({**policy.state_dict(), **damage})
    assert policy.state_dict()["values"] == [1.0]


def test_a_required_signal_reaches_the_policy_and_a_missing_one_is_nan():
    seen = []

    def spy(batch, hparams):
        seen.append(batch.signals["train_loss"].tolist())
        return np.zeros(batch.values.shape, dtype=bool)

    policy = stopper(requires=frozenset({"train_loss"}), fires=spy)
    policy.observe(Observation(1, 1.0, signals={"train_loss": 0.5, "unused": 1.0}))
    with pytest.warns(UserWarning, match="requires train_loss and the observation at step 2 has none"):
        policy.observe(Observation(2, 1.0))
    policy.observe(Observation(3, 1.0))
    np.testing.assert_equal(seen, [[[0.5]], [[0.5, math.nan]], [[0.5, math.nan, math.nan]]])
    assert list(policy.state_dict()["signals"]) == ["train_loss"]


def test_an_unknown_mode_is_refused():
    with pytest.raises(InputError, match="mode must be 'min' or 'max', got 'lower'"):
        stopper("lower")


def test_the_policy_sees_the_horizon_of_each_observation():
    seen = []

    def spy(batch, hparams):
        seen.append(float(batch.horizon[0, 0]))
        return np.zeros(batch.values.shape, dtype=bool)

    policy = stopper(fires=spy)
    policy.observe(Observation(1, 1.0))
    policy.observe(Observation(2, 1.0, horizon=50))
    assert seen == [math.inf, 50.0]


def test_the_first_stop_is_where_a_policy_first_fires():
    fires = np.array([[[False, True, True]], [[False, False, False]], [[True, False, False]]])
    assert first_stop(fires).tolist() == [[1], [3], [0]]
    assert first_stop(np.zeros((2, 3, 0), dtype=bool)).tolist() == [[0] * 3] * 2


def test_combinations_stop_with_their_first_or_last():
    stops = [np.array([1, 4, 4]), np.array([[2, 4, 0]]), np.array([3, 1, 2])]
    assert first_stop_of_any(stops).tolist() == [[1, 1, 0]]
    assert first_stop_of_all(stops).tolist() == [[3, 4, 4]]


def test_curves_of_unequal_length_stand_side_by_side():
    long = Curve(np.array([10, 20, 30]), np.array([3.0, 2.0, 1.0]), 40, signals={"a": np.ones(3), "b": np.ones(3)})
    short = Curve(np.array([5]), np.array([7.0]), 20, signals={"a": np.zeros(1)})
    batch = CurveBatch.from_curves([long, short], sign=-1.0)
    np.testing.assert_equal(batch.values, [[3.0, 2.0, 1.0], [7.0, math.nan, math.nan]])
    assert batch.steps.tolist() == [[10, 20, 30], [5, 5, 5]]
    assert batch.horizon.tolist() == [[40], [20]]
    assert list(batch.signals) == ["a"]
    assert batch.sign == -1.0
