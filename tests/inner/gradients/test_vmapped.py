"""Gradients, metrics and evidence of many members at once are those of each member alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.inner import population, train
from metaopt.inner.gradients import vmapped
from metaopt.inner.gradients.looped import LoopedGradients
from metaopt.inner.gradients.vmapped import BLOCK, Constants, VmappedGradients, VmappedTask, padded


def test_rows_are_filled_up_to_what_graphs_are_made_for():
    assert [padded(count, "eager") for count in (1, 9)] == [1, 9]
    assert [padded(count, "replayed") for count in (1, 8, 9)] == [8, 8, 16]
    assert [padded(count, "compiled") for count in (1, BLOCK, BLOCK + 1)] == [BLOCK, BLOCK, 2 * BLOCK]


def test_products_and_convolutions_of_a_batch_are_counted(task):
    def model():
        return nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 10)
        )

    digits = task(model, dtype=torch.float32)
    vmapped_task = VmappedTask(digits, digits.build(0))
    # A multiplication and an addition each: 3 × 6 × 6 outputs of 9 weights, 10 of 108.
    assert vmapped_task.batch_flops(digits) == digits.batch_size * 2 * (3 * 36 * 9 + 10 * 108)


class Shifted(nn.Module):
    """A linear model with a buffer that every seed draws, and a frozen scale that is the same for all."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.scale = nn.Parameter(torch.full((10,), 2.0), requires_grad=False)
        self.register_buffer("shift", torch.randn(10))

    def forward(self, inputs):
        return self.scale * self.linear(inputs) + self.shift


def test_constants_that_differ_from_seed_to_seed_have_a_row_for_each(task):
    shifted = task(Shifted, dtype=torch.float32)
    modules = [shifted.build(seed) for seed in (0, 1, 2)]
    constants = Constants.of(modules)
    assert constants.own == {"shift"}
    assert constants.values["shift"].shape == (3, 10)
    assert constants.values["scale"].shape == (10,)
    block = constants.block(slice(1, 3))
    assert torch.equal(block["shift"], torch.stack([modules[1].shift, modules[2].shift]))
    assert block["scale"] is constants.values["scale"]


@pytest.mark.parametrize("mode", ["eager", "replayed"])
@pytest.mark.parametrize("shared", [True, False], ids=["one batch for all", "batches of their own"])
def test_gradients_and_metrics_are_those_of_the_loop(task, mode, shared):
    shifted = task(Shifted, dtype=torch.float32)
    modules = [shifted.build(seed) for seed in range(3)]
    vmapped_task = VmappedTask(shifted, modules[0])
    flats = vmapped_task.layout.stack([dict(module.named_parameters()) for module in modules])
    many = VmappedGradients(vmapped_task, Constants.of(modules), shared=shared, mode=mode)
    single = LoopedGradients(shifted, vmapped_task.layout, modules, [0, 1, 2], shared=shared)
    train = shifted.splits.train
    inputs, targets = train.inputs[:12], train.targets[:12]
    if not shared:
        inputs, targets = inputs.unflatten(0, (3, 4)), targets.unflatten(0, (3, 4))
    (grads, losses), (expected_grads, expected_losses) = (
        source.gradients(flats, inputs, targets) for source in (many, single)
    )
    torch.testing.assert_close(grads, expected_grads)
    torch.testing.assert_close(losses, expected_losses)
    torch.testing.assert_close(many.evaluate(flats, shifted.splits), single.evaluate(flats, shifted.splits))


@pytest.mark.parametrize("at_once", [1, 10**5, 10**8])
def test_recorded_evidence_is_what_a_users_loop_would_compute(task, member, monkeypatch, at_once):
    monkeypatch.setattr(vmapped, "SINGLE_GRADIENTS", at_once)
    monkeypatch.setattr(population, "EVIDENCE_EXAMPLES", 60)
    digits = task(num_steps=2, num_validations=1)
    still = [member("sgd", seed=seed, sgd__lr=1e-9) for seed in (0, 3)]
    results = train(digits, still, signals=frozenset({"evidence"}))
    recorded = [result.curve.signals["evidence"][0] for result in results]
    chosen = torch.randperm(len(digits.splits.train), generator=torch.Generator().manual_seed(0))[:60]
    inputs, targets = digits.splits.train.inputs[chosen], digits.splits.train.targets[chosen]
    own = [metaopt.gradient_evidence(digits.build(seed), F.cross_entropy, inputs, targets) for seed in (0, 3)]
    assert recorded == pytest.approx(own, rel=1e-5)


def test_evidence_is_recorded_only_where_it_is_asked_for_and_leaves_curves_as_they_are(task, member):
    digits = task()
    members = [member("adamw", adamw__lr=0.01), member("sgd", "cosine", seed=1)]
    plain = train(digits, members)
    recorded = train(digits, members, signals=frozenset({"evidence"}))
    for bare, other in zip(plain, recorded, strict=True):
        assert set(bare.curve.signals) == {"train_loss"}
        assert set(other.curve.signals) == {"train_loss", "evidence"}
        np.testing.assert_array_equal(bare.curve.values, other.curve.values)
        np.testing.assert_array_equal(bare.curve.signals["train_loss"], other.curve.signals["train_loss"])
        # Gradients point somewhere at first, and less and less as training goes on.
        assert other.curve.signals["evidence"][0] < other.curve.signals["evidence"][-1] <= 1


def test_where_single_examples_have_no_gradients_the_signal_is_missing(task, member):
    normed = task(lambda: nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)).double(), num_steps=4)
    curve = train(normed, [member("sgd")], signals=frozenset({"evidence"}))[0].curve
    assert np.isnan(curve.signals["evidence"]).all()
    assert np.isfinite(curve.values).all()
