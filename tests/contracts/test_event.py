"""What is reported reaches whoever listens, and nobody who listens can end a training."""

import copy
import pickle

import pytest

from metaopt import Event, InputError
from metaopt.contracts import Reporter


def test_every_listener_gets_the_event():
    first, second = [], []
    report = Reporter("run", [first.append, second.append])
    report("step", 3, {"loss": 0.5}, "because", task="digits")
    assert first == second == [Event("run", "step", 3, {"loss": 0.5}, "because", {"task": "digits"})]


def test_without_listeners_it_is_false_and_says_nothing():
    report = Reporter("tune")
    report("step", 1)
    assert not report


def test_one_that_raises_is_off_with_one_warning_and_the_others_go_on():
    calls, events = [], []

    def broken(event):
        calls.append(event)
        raise OSError("the disk is full")

    report = Reporter("run", (broken, events.append))
    with pytest.warns(RuntimeWarning, match=r"raised OSError: the disk is full; it is not called again"):
        report("step", 0)
    report("step", 1)  # without a warning, which would be an error
    report("step", 2)
    assert len(calls) == 1
    assert [event.step for event in events] == [0, 1, 2]


def test_an_interrupt_is_not_a_fault_of_the_logger():
    def interrupted(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Reporter("run", interrupted)("step", 1)


@pytest.mark.parametrize("watch", ["wandb", 3, [print, None], {"a": print}])
def test_what_cannot_be_called_is_one_sentence(watch):
    with pytest.raises(InputError, match=r"^watch must be a function that takes a metaopt.Event, or several, got "):
        Reporter("run", watch)


def test_copies_report_to_nobody():
    report = Reporter("run", lambda event: None)
    assert not copy.deepcopy(report)
    assert not pickle.loads(pickle.dumps(report))
    assert report
