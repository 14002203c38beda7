import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.inner import population, train
from metaopt.inner.gradients import vmapped


@pytest.mark.parametrize("at_once", [1, 10**5, 10**8])
def test_recorded_evidence_is_what_a_users_loop_would_compute(task, member, monkeypatch, at_once):
    monkeypatch.setattr(vmapped, "SINGLE_GRADIENTS", at_once)
    monkeypatch.setattr(population, "EVIDENCE_EXAMPLES", 60)
    digits = task(num_steps=2, num_validations=1)
    still = [member("sgd", seed=seed, sgd__lr=1e-9) for seed in (0, 3)]
    found = [one.curve.signals["evidence"][0] for one in train(digits, still, signals=frozenset({"evidence"}))]
    chosen = torch.randperm(len(digits.splits.train), generator=torch.Generator().manual_seed(0))[:60]
    inputs, targets = digits.splits.train.inputs[chosen], digits.splits.train.targets[chosen]
    own = [metaopt.gradient_evidence(digits.build(seed), F.cross_entropy, inputs, targets) for seed in (0, 3)]
    assert found == pytest.approx(own, rel=1e-5)


def test_nobody_pays_who_does_not_ask_and_who_asks_gets_the_same_curves(task, member):
    digits = task()
    members = [member("adamw", adamw__lr=0.01), member("sgd", "cosine", seed=1)]
    plain = train(digits, members)
    recorded = train(digits, members, signals=frozenset({"evidence"}))
    for one, other in zip(plain, recorded, strict=True):
        assert set(one.curve.signals) == {"train_loss"}
        assert set(other.curve.signals) == {"train_loss", "evidence"}
        np.testing.assert_array_equal(one.curve.values, other.curve.values)
        np.testing.assert_array_equal(one.curve.signals["train_loss"], other.curve.signals["train_loss"])
        # Gradients point somewhere at first, and less and less as training goes on.
        assert other.curve.signals["evidence"][0] < other.curve.signals["evidence"][-1] <= 1


def test_where_single_examples_have_no_gradients_the_signal_is_missing(task, member):
    normed = task(lambda: nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)).double(), num_steps=4)
    curve = train(normed, [member("sgd")], signals=frozenset({"evidence"}))[0].curve
    assert np.isnan(curve.signals["evidence"]).all()
    assert np.isfinite(curve.values).all()
