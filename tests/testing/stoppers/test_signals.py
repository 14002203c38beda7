"""A pure form that reads signals which its spec does not declare is caught at the line that reads."""

import warnings

import numpy as np
import pytest

import metaopt
from metaopt.contracts import CurveBatch
from metaopt.testing.stoppers.signals import undeclared, watched


def stopper(fires, **arguments):
    given = {"name": "mine", "version": "1", "fires": fires, "space": {"limit": metaopt.Float(0.1, 2.0)}}
    return metaopt.StopperSpec(**{**given, **arguments})


def scanned(state, seen, hparams):
    return seen.signal("grad_norm") > hparams["limit"], state


#: The signal that a pure form reads without saying so, the form, and the line that does.
READERS = {
    "scanned": ("grad_norm", metaopt.scan(lambda hparams: {}, scanned), 'seen.signal("grad_norm")'),
    "got": ("gap", lambda batch, hparams: batch.signals.get("gap", batch.values) > hparams["limit"], '.get("gap"'),
    "taken": ("spread", lambda batch, hparams: batch.signals["spread"] > hparams["limit"], 'batch.signals["spread"]'),
}


@pytest.mark.parametrize(("signal", "fires", "line"), READERS.values(), ids=READERS)
def test_a_signal_that_is_read_must_be_declared(failures, signal, fires, line):
    ((check, found),) = failures(stopper(fires)).items()
    assert check == "answers_soundly"
    assert f"Declare requires={{'{signal}'}} or uses={{'{signal}'}} in the spec" in found
    assert line in found


@pytest.mark.slow
@pytest.mark.parametrize("declared", ["requires", "uses"])
def test_a_declared_signal_may_be_read(failures, declared):
    fires = metaopt.scan(lambda hparams: {}, scanned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert failures(stopper(fires, **{declared: frozenset({"grad_norm"})})) == {}


@pytest.fixture
def batch():
    """One curve of three validations with one recorded signal."""
    values = np.array([[3.0, 2.0, 1.0]])
    return watched(CurveBatch(values, 10 + np.zeros((1, 3)), np.array([[30.0]]), -1.0, {"loss": values}, since=1))


def never(batch, hparams):
    return batch.values > np.inf


def test_watched_curves_are_the_same_curves(batch):
    assert batch.values.tolist() == [[3.0, 2.0, 1.0]]
    assert (batch.sign, batch.since, batch.horizon.tolist()) == (-1.0, 1, [[30.0]])
    assert batch.signals["loss"].tolist() == batch.values.tolist()
    with pytest.raises(KeyError, match="gap"):
        batch.signals["gap"]


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda signals: signals["loss"], "loss"),
        (lambda signals: "gap" in signals, "gap"),
        (lambda signals: signals.get("gap", 1.0), "gap"),
    ],
    ids=["taken", "looked for", "got or not"],
)
def test_every_way_to_ask_for_a_signal_is_seen_whether_it_is_there_or_not(batch, ask, name):
    assert undeclared(stopper(never), batch) is None
    ask(batch.signals)
    assert undeclared(stopper(never), batch).message.startswith(f"It reads the signal '{name}'. Declare")


def test_all_that_are_not_declared_are_named_in_one_sentence(batch):
    for name in ("spread", "loss", "gap"):
        batch.signals.get(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        error = undeclared(stopper(never, uses=frozenset({"loss"})), batch)
    assert error.message.startswith(
        "It reads the signal 'gap', 'spread'. Declare requires={'gap', 'spread'} or uses={'gap', 'spread'}"
    )
