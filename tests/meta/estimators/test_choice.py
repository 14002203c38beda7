"""What a rule declares decides on its estimator; counts decide on compiling."""

import pytest
import torch

import metaopt
from metaopt.contracts.meta.meta_training import Policy
from metaopt.meta.estimators.backprop import Backprop
from metaopt.meta.estimators.choice import graph_mode, new_estimator
from metaopt.meta.estimators.evolution import Evolution
from metaopt.meta.estimators.policy_gradient import PolicyGradient
from metaopt.meta.estimators.reptile import Reptile
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.unrolls import Unrolls
from metaopt.space import defaults
from tests.meta.conftest import blob_task, learned, small_waves

POLICY = Policy(shape=(1,), begins=(), trace=("seen",), decisions=lambda theta, begins, trace: trace["seen"])


def declared(**fields):
    return metaopt.MetaTraining(init_theta=lambda *_: {}, **fields)


def chosen(meta):
    inner_loop = InnerLoop(small_waves(), learned("maml"))
    theta = inner_loop.meta.init_theta(
        inner_loop.parameters, torch.Generator().manual_seed(0), inner_loop.assembly.meta_values
    )
    return new_estimator(meta, defaults(meta.full_space), Unrolls(inner_loop, theta, "eager"), theta, 6)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, Backprop),
        ({"estimator": "reptile"}, Reptile),
        ({"estimator": "es"}, Evolution),
        ({"estimator": "pes"}, Evolution),
        ({"estimator": "reinforce", "policy": POLICY}, PolicyGradient),
    ],
)
def test_each_estimator_has_its_class(fields, kind):
    assert type(chosen(declared(**fields))) is kind


def test_backprop_takes_what_is_declared_of_steps_and_losses():
    estimator = chosen(declared(truncation=2, objective="trajectory"))
    assert (estimator.num_steps, estimator.truncation, estimator.trajectory) == (6, 2, True)
    assert chosen(declared()).trajectory is False


def test_compiling_is_as_told():
    assert graph_mode(small_waves(), declared(), 3, "on") == "compiled"
    assert graph_mode(small_waves(), declared(), 3, "off") == "replayed"


@pytest.mark.parametrize(
    ("num_iterations", "num_steps", "fields", "mode"),
    [
        (10_000, 5, {}, "compiled"),  # 10,000 · 4 · 5 steps are the 200,000 that repay it
        (9_999, 5, {}, "replayed"),
        (10_000, 6, {}, "replayed"),  # more steps than a graph is compiled for
        (10_000, 6, {"truncation": 5}, "compiled"),
        (10_000, 100, {"estimator": "pes"}, "compiled"),  # four tensors of a model with two layers
    ],
)
def test_counts_decide_where_nobody_does(num_iterations, num_steps, fields, mode):
    task = blob_task(num_iterations=num_iterations, episodes_per_iteration=4)
    assert graph_mode(task, declared(**fields), num_steps, "auto") == mode
