"""What a stopper says is heard, however little it says."""

import json

import numpy as np
import pytest

from metaopt import Decision, Observation
from metaopt.deploy.stopping.judgement import Judgement, WrapperSignals
from metaopt.plugin.kinds import StopperSpec
from metaopt.plugin.registry import current_registry


class Terse:
    """Says stop at the second observation, and why if `reason` says so."""

    def __init__(self, stop=True, reason=""):
        self.seen, self.stop, self.reason = 0, stop, reason

    def observe(self, observation):
        self.seen += 1
        return Decision(self.stop, self.reason) if self.seen >= 2 else Decision(False)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


def followed(stopper, values=(1.0, 2.0, 3.0)):
    judgement = Judgement(stopper, WrapperSignals(None, {}))
    return [judgement.decide(Observation(step, value, 20), ()) for step, value in enumerate(values, 1)], judgement


@pytest.mark.parametrize("stop", [True, np.True_, 1])
@pytest.mark.parametrize("reason", ["", None])
def test_a_stopper_without_a_reason_is_heard_and_gets_one(stop, reason):
    decisions, judgement = followed(Terse(stop, reason))
    assert [decision.stop for decision in decisions] == [False, True, True]
    assert decisions[1].reason == "The stopper Terse said stop at step 2 without a reason."
    assert (decisions[1].best_step, decisions[1].best_value) == (1, 1.0)
    assert json.dumps(judgement.state_dict()["decision"])


def test_a_reason_is_passed_on_as_it_is():
    decisions, _ = followed(Terse(reason="enough"))
    assert decisions[1].reason == "enough"


def test_a_reason_before_the_stop_stops_nothing():
    decisions, _ = followed(Terse(stop=False, reason="not yet"))
    assert not any(decision.stop or decision.reason for decision in decisions)


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("reason", ["", None])
def test_a_combination_hears_a_child_without_a_reason(name, reason):
    spec = current_registry().get(StopperSpec, name)
    decisions, _ = followed(spec.factory(mode="min", stoppers=[Terse(reason=reason)]))
    assert [decision.stop for decision in decisions] == [False, True, True]
    assert decisions[1].reason == f"{name}: Terse said stop without a reason."
