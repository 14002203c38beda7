"""Training diverged where neither the metric nor the weights, or the last loss, are finite."""

import math

import pytest
import torch

from metaopt.contracts import Observation
from metaopt.deploy.stopping.divergence_check import DivergenceCheck


def looked(weight, loss_is_finite):
    check = DivergenceCheck()
    check.look(Observation(7, math.nan, 10), [torch.tensor([1.0, weight], requires_grad=True)], loss_is_finite)
    return check


@pytest.mark.parametrize(
    ("weight", "loss_is_finite", "reason"),
    [
        (2.0, True, ""),
        (math.inf, True, "At step 7 the metric is nan and the weights are no longer finite: training diverged."),
        (2.0, False, "At step 7 the metric is nan and the training loss is not finite: training diverged."),
    ],
    ids=["the metric alone", "weights", "loss"],
)
def test_a_metric_alone_is_no_divergence(weight, loss_is_finite, reason):
    assert looked(weight, loss_is_finite).reason == reason


def test_the_first_reason_stays():
    check = looked(math.inf, loss_is_finite=True)
    first = check.reason
    check.look(Observation(9, math.inf, 10), [torch.ones(1)], loss_is_finite=False)
    assert check.reason == first
