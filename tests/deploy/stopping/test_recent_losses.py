"""The mean of the training losses since a validation, and whether the last one was finite."""

import pytest
import torch

from metaopt.deploy.stopping.recent_losses import RecentLosses

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
    losses.note_others(finite=False)
    assert not losses.finite()
    losses.clear()
    assert losses.finite()
