import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.inner import train
from metaopt.inner.gradients.batches import batch_indices


def small():
    return nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10))


def test_what_a_learned_schedule_says_of_stopping_is_recorded_for_who_asks(task, member):
    """Beside a member that says nothing; and it is what is said in a user's loop."""
    digits = task(small, dtype=torch.float32, num_steps=20, num_validations=2)
    theta = {**metaopt.load_recipe("learned_schedule").theta, "stop.weight": torch.linspace(-1, 1, 14)}
    members = [member("adamw", seed=3), member("adamw", "constant", "learned_schedule", seed=3, no_decay="none")]
    plain, steered = train(digits, members, theta=theta, signals=frozenset({"stop"}))
    assert np.isnan(plain.curve.signals["stop"]).all()
    model, splits = digits.build(3), digits.splits
    optimizer = metaopt.create_optimizer("adamw", model, wrappers=["learned_schedule"], theta=theta, total_steps=20)
    for rows in batch_indices(len(splits.train), 16, 20, seed=3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(splits.train.inputs[rows]), splits.train.targets[rows])
        loss.backward()
        optimizer.step(loss=loss)
    said = float(optimizer.param_groups[0]["shared"]["learned_schedule.stop"])
    assert steered.curve.signals["stop"][-1] == pytest.approx(said, rel=1e-3)
    assert len(set(steered.curve.signals["stop"])) == 2
