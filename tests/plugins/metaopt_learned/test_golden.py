"""Learned optimizers beside trajectories of their JAX reference implementations."""

from pathlib import Path

import numpy as np
import pytest
import torch

import metaopt
from metaopt.plugin.registry import current_registry

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden"
HORIZON = 40.0

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference trajectories ../shared/golden are absent")


def golden(file):
    with np.load(GOLDEN / f"{file}.npz") as arrays:
        return {name: torch.from_numpy(np.array(arrays[name])) for name in arrays.files}


def under(prefix, arrays):
    return {name.removeprefix(prefix): one for name, one in arrays.items() if name.startswith(prefix)}


def weights_of(rule, arrays):
    theta = under("theta/", arrays)
    if rule == "mlp_lopt":
        return {name.removeprefix("nn/~/"): one for name, one in theta.items()}
    spec = current_registry().get(metaopt.OptimizerSpec, rule)
    found, theta = spec.meta.imported(theta)
    assert found == rule
    return theta


TRAJECTORIES = {"mlp_lopt": "small_fc_lopt", "celo": "celo", "celo_adam": "celo_adam"}


def after_each_step(rule, arrays):
    spec, theta = current_registry().get(metaopt.OptimizerSpec, rule), weights_of(rule, arrays)
    params, grads = under("param0/", arrays), under("grad/", arrays)
    hparams = {key: {name: torch.tensor(float(one.default)) for name, one in spec.space.items()} for key in params}
    horizon = torch.tensor(HORIZON)
    state = spec.rule.init(params, hparams, theta, horizon)
    for step, loss in enumerate(arrays["loss"]):
        info = metaopt.StepInfo(step=torch.tensor(float(step)), horizon=horizon, loss=loss)
        now = {name: one[step] for name, one in grads.items()}
        updates, state = spec.rule.update(now, state, params, hparams, theta, info)
        params = {name: one + updates[name] for name, one in params.items()}
        yield params


@pytest.mark.parametrize("rule", TRAJECTORIES)
def test_every_step_is_that_of_the_reference(rule):
    arrays = golden(TRAJECTORIES[rule])
    expected = under("param/", arrays)
    moved = under("param0/", arrays)
    for step, params in enumerate(after_each_step(rule, arrays)):
        for name, value in params.items():
            reference = expected[name][step]
            assert (value - reference).norm() <= 1e-6 * reference.norm(), (step, name)
            # Not by moving too little to be seen: the way travelled agrees too.
            way = (reference - moved[name]).norm()
            assert (value - reference).norm() <= 1e-4 * way + 1e-7 * reference.norm(), (step, name)


@pytest.mark.parametrize("rule", TRAJECTORIES)
def test_a_deployed_optimizer_takes_the_same_steps(rule):
    arrays = golden(TRAJECTORIES[rule])
    leaves = {name: torch.nn.Parameter(one.clone()) for name, one in under("param0/", arrays).items()}
    optimizer = metaopt.RuleOptimizer(
        list(leaves.items()), rule, theta=weights_of(rule, arrays), horizon=int(HORIZON), compile=False
    )
    grads = under("grad/", arrays)
    for step, loss in enumerate(arrays["loss"]):
        for name, leaf in leaves.items():
            leaf.grad = grads[name][step].clone()
        optimizer.step(loss=loss)
    for name, leaf in leaves.items():
        torch.testing.assert_close(leaf.detach(), under("param/", arrays)[name][-1], rtol=1e-5, atol=1e-7)
