"""Observations and decisions are plain values that nobody changes."""

import dataclasses

import pytest

from metaopt import Decision, InputError, Observation, Stopper


def test_what_is_left_out_of_an_observation_is_unknown():
    observation = Observation(step=10, value=0.5)
    assert observation.horizon is None
    assert observation.signals == {}
    assert observation.signals is not Observation(step=10, value=0.5).signals


def test_a_decision_to_go_on_needs_no_reason():
    assert Decision(stop=False) == Decision(stop=False, reason="", best_step=None, best_value=None)


@pytest.mark.parametrize(("value", "field"), [(Observation(1, 0.5), "value"), (Decision(False), "stop")])
def test_nobody_changes_them(value, field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, True)


@pytest.mark.parametrize(("kind", "keyword"), [(Observation, "horizn"), (Decision, "best_stp")])
def test_an_unknown_keyword_is_named(kind, keyword):
    with pytest.raises(InputError, match=f"{kind.__name__} takes no '{keyword}'"):
        kind(1, 0.5, **{keyword: 3})


def test_a_stopper_observes_and_keeps_its_state():
    class Patient:
        def observe(self, observation):
            return Decision(stop=False)

        def state_dict(self):
            return {}

    assert not isinstance(Patient(), Stopper)
    Patient.load_state_dict = lambda self, state: None
    assert isinstance(Patient(), Stopper)
