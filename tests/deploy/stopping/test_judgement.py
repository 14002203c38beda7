"""What a stopper says is heard, however little it says."""

import json

import numpy as np
import pytest
import torch

from metaopt import Decision, InputError, Observation
from metaopt.deploy.stopping.judgement import Judgement, RecentLosses, WrapperSignals
from metaopt.plugin.kinds import StopperSpec
from metaopt.plugin.registry import current_registry

NAN = float("nan")
#: Of an optimizer whose rule has no wrapper.
NO_SIGNALS = WrapperSignals(torch.optim.SGD([torch.zeros(1)]), {})


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
    judgement = Judgement(stopper, NO_SIGNALS)
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


def judged(value, weights=1.0, loss=1.0, **keywords):
    judgement = Judgement(None, NO_SIGNALS, **keywords)
    judgement.record_loss(torch.tensor(loss))
    return judgement.decide(Observation(7, value, 20), [torch.full((2,), weights)])


@pytest.mark.parametrize(
    ("weights", "loss", "reason"),
    [
        (NAN, 1.0, "At step 7 the metric is nan and the weights are no longer finite: training diverged."),
        (1.0, NAN, "At step 7 the metric is nan and the training loss is not finite: training diverged."),
    ],
)
def test_training_diverged_once_the_metric_and_weights_or_loss_are_not_finite(weights, loss, reason):
    assert judged(NAN, weights, loss) == Decision(True, reason)
    assert not judged(1.0, weights, loss).stop
    assert not judged(NAN, weights, loss, guard=False).stop


def test_a_metric_may_fail_alone():
    assert not judged(NAN).stop


def test_divergence_is_said_from_then_on_and_survives_a_checkpoint():
    judgement = Judgement(None, NO_SIGNALS)
    first = judgement.decide(Observation(1, NAN, 20), [torch.tensor(NAN)])
    assert judgement.decide(Observation(2, 1.0, 20), [torch.tensor(1.0)]).reason == first.reason
    resumed = Judgement(None, NO_SIGNALS)
    resumed.load_state_dict(judgement.state_dict())
    assert resumed.holds_validation_of(2)
    assert resumed.decide(Observation(3, 1.0, 20), []).reason == first.reason


def test_signals_of_the_user_come_before_those_from_elsewhere():
    judgement = Judgement(None, NO_SIGNALS, requires=frozenset({"lr"}), uses=frozenset({"seconds"}))
    observed = judgement.observation(torch.tensor(2.0), {"seconds": 5}, step=3, horizon=9, lr=0.5)
    assert observed == Observation(3, 2.0, 9, {"seconds": 5.0, "lr": 0.5})


def test_signals_that_no_stopper_reads_are_left_out():
    assert Judgement(None, NO_SIGNALS).observation(1.0, {}, 1, None, 0.5).signals == {}


def test_a_required_signal_that_is_missing_is_named_with_the_call_that_gives_it():
    judgement = Judgement(None, NO_SIGNALS, requires=frozenset({"train_loss", "epoch"}))
    with pytest.raises(
        InputError, match=r"requires epoch, train_loss: call run.observe\(value, epoch=\.\.\., .*run.step"
    ):
        judgement.observation(1.0, {}, 1, None, 0.5)
    with pytest.raises(InputError, match=r"takes epoch as one number, got 'two'"):
        judgement.observation(1.0, {"epoch": "two", "train_loss": 1}, 1, None, 0.5)


NAN = float("nan")


def test_the_mean_of_losses_begins_anew_and_the_last_one_stays():
    losses = RecentLosses()
    assert losses.mean() is None
    for loss in (1.0, 2.0, 6.0):
        losses.add(torch.tensor(loss), total=True)
    assert losses.mean() == 3.0
    losses.clear()
    assert losses.mean() is None
    losses.add(torch.tensor(NAN), total=False)
    assert losses.mean() is None
    assert not losses.finite()


def test_losses_are_summed_in_float32_at_least_and_come_back():
    losses = RecentLosses()
    for _ in range(300):
        losses.add(torch.tensor(1.0, dtype=torch.bfloat16), total=True)
    resumed = RecentLosses()
    resumed.load_state_dict(losses.state_dict())
    assert resumed.mean() == losses.mean() == 1.0
    with pytest.raises(ValueError, match="there are 0 losses"):
        resumed.load_state_dict({"last": None, "total": 1.0, "count": 0})


def test_the_last_loss_is_finite_only_where_it_is_on_all_ranks():
    losses = RecentLosses()
    assert losses.finite()
    losses.add(torch.tensor(1.0), total=False)
    losses.others_are_finite = False
    assert not losses.finite()
    losses.clear()
    assert losses.finite()
