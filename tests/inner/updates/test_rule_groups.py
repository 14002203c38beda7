"""Members that share a rule are updated together, each as if it were alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.inner.gradients.batches import batch_indices
from metaopt.inner.updates.layout import Layout
from metaopt.inner.updates.rule_groups import RuleGroup
from metaopt.inner.updates.rule_step import RuleGraphs
from metaopt.plugin.registry import Registry, current_registry
from tests.inner.updates.test_member_rule import featured, flattened, normalised, with_signals

HORIZON = torch.tensor(6.0)


@pytest.mark.parametrize("update", [normalised, featured, flattened, with_signals])
def test_whatever_form_is_taken_each_member_is_updated_as_if_it_were_alone(task, update):
    init = (lambda param, *_: {"mean": torch.zeros_like(param)}) if update is featured else (lambda *_: {})
    spec = metaopt.OptimizerSpec(
        name="mine",
        version="1",
        rule=metaopt.per_tensor(init, update, granularity="tensor" if update is normalised else "coordinate"),
        space={"lr": metaopt.Float(1e-3, 1.0, log=True, default=0.1)},
        requires=frozenset({"gradient_norm", "loss"}) if update is with_signals else frozenset(),
    )
    registry = Registry()
    registry.register(spec)
    registry.register(current_registry().get(metaopt.ControllerSpec, "constant"))
    digits = task(num_steps=6, num_validations=3)
    rates = (0.01, 0.1, 0.5)
    members = [Member(assemble(Configuration("mine", hparams={"mine.lr": rate}), registry), 0) for rate in rates]
    for single, result in zip(members, train(digits, members), strict=True):
        alone = train(digits, [single], engine="loop")[0]
        np.testing.assert_allclose(result.curve.values, alone.curve.values, rtol=1e-8)


def test_weight_decay_reaches_matrices_alone_in_both_forms(member, task):
    digits = task(num_steps=1, num_validations=1)
    module = digits.build(0)
    layout = Layout(module)
    for name in ("sgd", "prodigy"):
        flats = layout.stack([dict(module.named_parameters())] * 2)
        before = {key: value.clone() for key, value in layout.split(flats).items()}
        members = [member(name, **{f"{name}__weight_decay": value, f"{name}__lr": 0.5}) for value in (0.0, 0.1)]
        group = RuleGroup(members, layout, flats, 0, HORIZON, {}, "eager", RuleGraphs())
        still = {key: torch.full_like(value, 1e-3) for key, value in flats.items()}
        group.step(still, torch.full((2,), 0.5), torch.zeros(2), {}, torch.tensor(0.0), HORIZON)
        after = layout.split(flats)
        moved = {key: after[key][1] - after[key][0] for key in after}
        assert moved["0.bias"].abs().max() == moved["2.bias"].abs().max() == 0, name
        assert (torch.sign(moved["0.weight"]) == -torch.sign(before["0.weight"][0])).double().mean() > 0.9, name


def small():
    return nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10))


def test_what_a_wrapper_computes_for_stoppers_is_recorded_where_it_is_asked_for(task, member):
    """Beside a member without the wrapper; and it is the number that the wrapper has in a user's loop."""
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
    deployed = float(optimizer.param_groups[0]["shared"]["learned_schedule.stop"])
    assert steered.curve.signals["stop"][-1] == pytest.approx(deployed, rel=1e-3)
    assert len(set(steered.curve.signals["stop"])) == 2
