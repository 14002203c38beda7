"""The kit passes sound stoppers and says what is wrong with the others."""

import numpy as np
import pytest

import metaopt


def stopper(fires, **arguments):
    given = {"name": "mine", "version": "1", "fires": fires, "space": {"limit": metaopt.Float(0.1, 2.0)}}
    return metaopt.StopperSpec(**{**given, **arguments})


def test_a_sound_stopper_passes(failures):
    assert failures(stopper(lambda batch, hparams: batch.values > hparams["limit"])) == {}


def test_a_policy_that_writes_to_the_curves_is_caught_at_its_line(failures):
    def fires(batch, hparams):
        batch.values[np.isnan(batch.values)] = 0.0
        return batch.values > hparams["limit"]

    found = failures(stopper(fires))
    assert list(found) == ["answers_soundly"]
    assert "read-only" in found["answers_soundly"]
    assert "batch.values[np.isnan(batch.values)] = 0.0" in found["answers_soundly"]


@pytest.mark.parametrize(
    ("fires", "check", "message"),
    [
        (
            lambda batch, hparams: batch.values > np.nanmean(batch.values, axis=-1, keepdims=True) + hparams["limit"],
            "is_causal",
            "change once later values than",
        ),
        (
            lambda batch, hparams: batch.values > batch.values[0] + hparams["limit"],
            "follows_its_pure_form",
            "stops at validation",
        ),
        (lambda batch, hparams: batch.sign * batch.values > hparams["limit"] + 1.5, "modes_mirror", "upside down"),
    ],
)
@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
def test_an_unsound_policy_is_caught(failures, fires, check, message):
    found = failures(stopper(fires))
    assert message in found[check]
    assert "test_stoppers.py:" in found[check]


class Forgetful:
    """Says stop at the third observation; each flag breaks one promise."""

    def __init__(self, mode="min", limit=1.0, flaw=""):
        self.mode, self.flaw, self.seen, self.best = mode, flaw, 0, None

    def observe(self, observation):
        self.seen += 1
        if self.flaw == "raises" and observation.value is None:
            raise ValueError("no value")
        if self.flaw == "exits" and self.seen == 3:
            raise SystemExit(3)
        stop = self.seen == 3 if self.flaw == "recants" else self.seen >= 3
        self._remember(observation)
        reason = "" if self.flaw == "silent" or not stop else "enough seen"
        step, value = self.best or (None, None)
        return metaopt.Decision(stop, reason, step, value)

    def _remember(self, observation):
        sign = 1 if self.mode == "min" or self.flaw == "blind to the mode" else -1
        value = observation.value
        known = isinstance(value, float) and np.isfinite(value)
        if known and (self.best is None or sign * value < sign * self.best[1]):
            self.best = (observation.step, value)

    def state_dict(self):
        seen = 0 if self.flaw == "forgets" else self.seen
        return {"name": "forgetful", "mode": self.mode, "seen": seen, "best": self.best and list(self.best)}

    def load_state_dict(self, state):
        if self.flaw != "gullible" and (state.get("name"), state.get("mode")) != ("forgetful", self.mode):
            raise metaopt.InputError("not mine")
        self.seen, self.best = state.get("seen", 0), state.get("best") and tuple(state["best"])


@pytest.mark.parametrize(
    ("flaw", "check", "message"),
    [
        ("raises", "never_raises", "It raised ValueError: no value."),
        ("exits", "answers_soundly", "It raised SystemExit: 3."),
        ("recants", "keeps_its_word", "It said stop at validation 2 and took it back."),
        ("silent", "keeps_its_word", "without a reason"),
        ("blind to the mode", "knows_the_best", "mode='max'"),
        ("forgets", "resumes", "it decides otherwise: Decision(stop=False"),
        ("gullible", "refuses_foreign_states", "It loaded the state of another policy"),
    ],
)
def test_a_stopper_that_breaks_a_promise_is_caught(failures, flaw, check, message):
    def factory(**arguments):
        return Forgetful(**arguments, flaw=flaw)

    found = failures(stopper(None, factory=factory))
    assert message in found[check]
    assert "test_stoppers.py:" in found[check]


def test_a_stopper_that_keeps_its_promises_passes(failures):
    assert failures(stopper(None, factory=Forgetful)) == {}


#: What a pure form answers, and what must be said.
FORMS = {
    "None": (lambda batch, hparams: None, "(curves, validations), here (13, 24); got None."),
    "a list": (lambda batch, hparams: (batch.values > 1).tolist(), "got a list."),
    "numbers": (lambda batch, hparams: batch.values, "must return booleans"),
    "one a curve": (lambda batch, hparams: (batch.values > 1).any(-1), "got an array of bool and of shape (13,)."),
    "an axis too many": (lambda batch, hparams: (batch.values > 1)[None], "of shape (1, 13, 24)."),
    "one for all": (lambda batch, hparams: True, "got a bool (True)."),
    "another signature": (lambda batch: batch.values > 1, "is called with (batch, hparams), which it does not take"),
    "an exception": (lambda batch, hparams: batch.values > hparams["most"], "It raised KeyError: 'most'"),
    "a signal that is not required": (lambda batch, hparams: batch.signals["loss"] > 1, "It raised KeyError: 'loss'"),
}


@pytest.mark.parametrize(("fires", "message"), FORMS.values(), ids=FORMS)
def test_one_mistake_in_a_pure_form_is_one_failure(failures, fires, message):
    ((check, found),) = failures(stopper(fires)).items()
    assert check == "answers_soundly"
    assert message in found
    assert "test_stoppers.py:" in found


#: A method that a stopper has otherwise, and what must be said.
METHODS = {
    "None": ({"observe": lambda self, observation: None}, "observe must return a metaopt.Decision, got None."),
    "a bool": ({"observe": lambda self, observation: True}, "got a bool (True)."),
    "no reason at all": (
        {"observe": lambda self, observation: metaopt.Decision(False, None)},
        "Decision.reason must be a string, got None.",
    ),
    "a state of None": ({"state_dict": lambda self: None}, "state_dict must return a dict, got None."),
    "a state of arrays": ({"state_dict": lambda self: {"x": np.zeros(2)}}, "state_dict must return plain JSON"),
    "a state that cannot be loaded": ({"load_state_dict": lambda self, state: state["x"]}, "It raised KeyError: 'x'."),
    "another signature": ({"observe": lambda self: None}, "is called with (observation), which it does not take"),
}


@pytest.mark.parametrize(("methods", "message"), METHODS.values(), ids=METHODS)
def test_one_mistake_of_a_class_is_one_failure(failures, methods, message):
    ((_, found),) = failures(stopper(None, factory=type("Mine", (Forgetful,), methods))).items()
    assert message in found


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda mode, limit: None, "factory must return a stopper, got None, which lacks observe, state_dict"),
        (lambda mode: Forgetful(mode), "factory is called with (mode, limit) by keyword, which it does not take"),
        (lambda mode, limit: mode.lower, "which lacks observe"),
        (lambda mode, limit: limit / 0, "It raised ZeroDivisionError"),
    ],
)
def test_one_mistake_of_a_factory_is_one_failure(failures, factory, message):
    ((check, found),) = failures(stopper(None, factory=factory)).items()
    assert check == "answers_soundly"
    assert message in found
