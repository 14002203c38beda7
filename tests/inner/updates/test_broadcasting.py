"""A trial tells which coordinate rules are written so that whole buffers broadcast."""

import pytest
import torch

import metaopt
from metaopt.inner.updates.broadcasting import broadcasts


def normalised(grad, state, param, hparams, theta, info):
    """Looks at the whole tensor, which a coordinate rule must not; without vmap it would look at all members."""
    return -hparams["lr"] * grad / grad.abs().max(), state


def featured(grad, state, param, hparams, theta, info):
    """A small network over features of each number: right for a coordinate, but not written to broadcast."""
    features = torch.stack([grad, grad.sign(), state["mean"], hparams["lr"].expand_as(grad)], dim=-1)
    mean = 0.9 * state["mean"] + 0.1 * grad
    return -hparams["lr"] * torch.tanh(features * torch.arange(4.0)).sum(-1), {"mean": mean}


def flattened(grad, state, param, hparams, theta, info):
    return -hparams["lr"] * grad.reshape(-1).flip(0).flip(0).reshape(grad.shape[0]), state


def with_signals(grad, state, param, hparams, theta, info):
    return -hparams["lr"] * grad / (1 + info.signals["gradient_norm"]) * info.loss * info.fraction, state


@pytest.mark.parametrize(
    ("update", "expected"), [(normalised, False), (featured, None), (flattened, False), (with_signals, True)]
)
def test_a_trial_tells_which_rules_broadcast(update, expected):
    rule = metaopt.per_tensor(lambda param, *_: {"mean": torch.zeros_like(param)} if update is featured else {}, update)
    does = broadcasts(rule, ("lr",), {}, frozenset({"gradient_norm", "loss"}))
    assert expected is None or does is expected
