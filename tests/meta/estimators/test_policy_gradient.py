"""The policy gradient where the gradient is known: steps along a line, whose length is decided at random."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.contracts import Episodes
from metaopt.meta import Trainer
from metaopt.meta.estimators.parallel_trainings import Trainings
from metaopt.meta.estimators.policy_gradient import PolicyGradient
from metaopt.meta.inner_loop import InnerLoop
from metaopt.plugin.registry import Registry, current_registry

STEPS = 5


class Walker(metaopt.Rule):
    """Each step goes down by e to the decision, wherever the gradient points."""

    granularity = "tree"

    def init(self, params, hparams, theta, horizon):
        shared = {"count": torch.zeros(()), "before": torch.zeros(())}
        if metaopt.Policy.NOISE in theta:
            shared["seen"] = torch.zeros(theta[metaopt.Policy.NOISE].shape[0])
        return {"tensors": {name: {} for name in params}, "shared": shared}

    def update(self, grads, state, params, hparams, theta, info):
        shared = dict(state["shared"])
        decision = decided(theta, shared["before"], shared["count"])
        if metaopt.Policy.NOISE in theta:
            now = torch.arange(len(theta[metaopt.Policy.NOISE])) == shared["count"] % len(theta[metaopt.Policy.NOISE])
            shared["seen"] = torch.where(now, shared["count"], shared["seen"])
            decision = decision + (theta[metaopt.Policy.NOISE] * now).sum()
        shared["before"], shared["count"] = shared["before"] + 1, shared["count"] + 1
        updates = {name: -0.1 * decision.exp() * torch.ones_like(one) for name, one in grads.items()}
        return updates, {"tensors": state["tensors"], "shared": shared}


def decided(theta, before, count):
    return theta["base"] + 0.1 * theta["slope"] * (before + count)


def decisions(theta, begins, trace):
    before, found = begins["before"], []
    for count in trace["seen"]:
        found.append(decided(theta, before, count))
        before = before + 1
    return torch.stack(found)


POLICY = metaopt.Policy(shape=(), begins=("before",), trace=("seen",), decisions=decisions)


def spec(**changes):
    settings = {
        "init_theta": lambda params, generator, hparams: dict(THETA),
        "estimator": "reinforce",
        "objective": "log_trajectory",
        "orders": ("first",),
        "truncation": STEPS,
        "policy": POLICY,
        **changes,
    }
    return metaopt.OptimizerSpec(
        name="walker", version="1", summary="Walks.", rule=Walker(), meta=metaopt.MetaTraining(**settings)
    )


THETA = {"base": torch.tensor(-0.5), "slope": torch.tensor(0.2)}


class Height(nn.Module):
    def __init__(self):
        super().__init__()
        self.height = nn.Parameter(torch.ones(()))

    def forward(self, inputs):
        return inputs * self.height.exp()


class Ones:
    fingerprint = "ones"

    def sample(self, partition, count, generator):
        ones = torch.ones(count, 1)
        return Episodes(ones, ones, ones, ones)


def task(**fields):
    settings = {"num_iterations": 60, "num_steps": STEPS, "num_evaluated": 2, "num_validations": 2, **fields}
    return metaopt.FewShotTask(
        name="down", family="lines", model=Height, episodes=Ones(), loss=lambda out, _: out.mean(), **settings
    )


def gradient(pairs, deviation, seed=0):
    registry = Registry()
    registry.register(spec())
    registry.register(current_registry().get(metaopt.plugin.kinds.ControllerSpec, "constant"))
    inner_loop = InnerLoop(task(episodes_per_iteration=pairs), assemble(Configuration("walker"), registry), True)
    estimator = PolicyGradient(Trainings(inner_loop, THETA, STEPS, STEPS, mode="eager"), POLICY, deviation)
    return estimator.estimate(THETA, {}, torch.Generator().manual_seed(seed))


def test_it_is_the_gradient_of_what_is_still_to_come():
    """log-loss = height, which falls by a tenth of e^decision a step; the last loss seen precedes the last step."""
    found, _ = gradient(pairs=4000, deviation=0.02)
    theta = {name: one.clone().requires_grad_() for name, one in THETA.items()}
    lengths = torch.stack([0.1 * decided(theta, torch.tensor(float(at)), at).exp() for at in range(STEPS - 1)])
    expected = torch.autograd.grad(-lengths.sum(), list(theta.values()))
    for (name, one), wanted in zip(theta.items(), expected, strict=True):
        torch.testing.assert_close(found.gradient[name], wanted, rtol=0.05, atol=1e-3)
        assert one.grad is None


def test_trainings_go_on_where_they_were_and_begin_anew_when_they_are_over():
    _, state = gradient(pairs=3, deviation=0.1)
    assert state["step"].tolist() == [STEPS] * 3
    assert state["rule"]["shared"]["before"].tolist() == [STEPS] * 6
    assert not any("policy" in key for key in state)


def test_it_learns():
    """Longer steps are better without end."""
    registry = Registry()
    registry.register(spec())
    registry.register(current_registry().get(metaopt.plugin.kinds.ControllerSpec, "constant"))
    hparams = {"walker.outer_lr": 0.02, "walker.deviation": 0.1}
    trained = Trainer(assemble(Configuration("walker", hparams=hparams), registry), [task()], compile="off").train()
    assert trained.theta["base"] > THETA["base"] + 0.3
    assert trained.theta["slope"] > THETA["slope"] + 0.3


def test_a_policy_belongs_to_reinforce_alone():
    with pytest.raises(metaopt.PluginError, match="estimator 'reinforce', and no other, needs policy="):
        spec(policy=None)
    with pytest.raises(metaopt.PluginError, match="estimator 'reinforce', and no other, needs policy="):
        spec(estimator="pes")
