"""Signals that callers of `run.observe` may give."""

import pytest
import torch

import metaopt
from metaopt.deploy.stopping.signal_names import check_known, how_to_give, one_number


def test_signals_that_a_stopper_reads_and_those_of_hosts_are_known():
    check_known(["accuracy", "epoch", "seconds", "lr"], {"accuracy"})
    with pytest.raises(
        metaopt.InputError, match=r"knows no signal 'epochs', .*did you mean 'epoch'\? .* one of accuracy"
    ):
        check_known(["epochs"], {"accuracy"})


def test_what_is_missing_comes_with_its_source():
    assert how_to_give(["train_loss"]) == (
        "call run.observe(value, train_loss=...); for train_loss, run.step(loss) is enough"
    )


@pytest.mark.parametrize("value", ["1.5", b"1", None, [1, 2], torch.ones(2), 1j])
def test_what_is_not_one_number_is_refused(value):
    with pytest.raises(metaopt.InputError, match=r"run\.observe\(\) takes epoch as one number"):
        one_number("epoch", value)
    assert one_number("epoch", torch.tensor(2.5, requires_grad=True)) == 2.5
