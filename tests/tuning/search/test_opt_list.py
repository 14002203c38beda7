"""The learned list of Metz et al. as configurations."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import assemble
from metaopt.tuning.search.opt_list import configuration_of
from metaopt.tuning.search.start_from import known_settings

LIST = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "learned_lists" / "opt_list.json"
needs_the_list = pytest.mark.skipif(not LIST.exists(), reason=f"{LIST.name} is not there")
ENTRY = {
    "learning_rate": 0.02,
    "beta1": 0.6,
    "beta2": 0.97,
    "epsilon": 0.5,
    "use_nesterov": True,
    "adamw_weight_decay": 0.05,
    "l2_weight_decay": 0.01,
    "warmup_fraction": 0.25,
    "constant_fraction": 0.2,
    "min_learning_rate_mult": 0.1,
}


def original(weights, gradient, entry, num_steps):
    """opt_list's TensorFlow code in NumPy: the weights after each step."""
    m = v = np.zeros_like(weights)
    path = []
    for step in range(num_steps):
        lr = entry["learning_rate"]
        lowest = entry["min_learning_rate_mult"] * lr
        constant = num_steps * entry["constant_fraction"]
        warmup = num_steps * min(entry["warmup_fraction"], entry["constant_fraction"])
        if entry["warmup_fraction"] and step < warmup:
            rate = step / warmup * lr
        else:
            passed = max(step, constant) - constant
            rate = (lr - lowest) * (np.cos(passed * np.pi / (num_steps - constant)) / 2 + 0.5) + lowest
        g = gradient(weights) - weights * entry["l2_weight_decay"]
        m = entry["beta1"] * m + (1 - entry["beta1"]) * g
        v = entry["beta2"] * v + (1 - entry["beta2"]) * g * g
        rate *= np.sqrt(1 - entry["beta2"] ** (step + 1)) / (1 - entry["beta1"] ** (step + 1))
        ahead = entry["beta1"] * m + (1 - entry["beta1"]) * g if entry["use_nesterov"] else m
        weights = (
            weights - rate * ahead / (np.sqrt(v) + entry["epsilon"]) - rate * entry["adamw_weight_decay"] * weights
        )
        path.append(weights)
    return path


@pytest.mark.parametrize("changes", [{}, {"use_nesterov": False}, {"warmup_fraction": 0.1}, {"epsilon": 1e-7}])
def test_a_bound_recipe_walks_the_originals_path(changes):
    entry, num_steps = {**ENTRY, **changes}, 20
    target = np.asarray([[1.0, -2.0, 0.5]])
    model = nn.Linear(3, 1, bias=False).double()
    expected = original(model.weight.detach().numpy().copy(), lambda weights: weights - target, entry, num_steps)
    run = metaopt.Recipe.create(configuration_of(entry)).bind(model, total_steps=num_steps)
    for step in range(num_steps):
        run.optimizer.zero_grad()
        loss = 0.5 * (model.weight - torch.tensor(target)).square().sum()
        loss.backward()
        run.step(loss)
        np.testing.assert_allclose(model.weight.detach().numpy(), expected[step], rtol=1e-6)


@needs_the_list
def test_all_thousand_entries_are_settings(registry):
    configurations = known_settings(LIST, registry)
    assert len(configurations) == len(json.loads(LIST.read_text())) == 1000
    assert {configuration.optimizer for configuration in configurations} == {"metz_nadamw"}
    assert not any("weight_decay" in configuration.hparams for configuration in configurations)
    assert all(
        assemble(configuration, registry).controller.name == "warmup_hold_cosine" for configuration in configurations
    )


@pytest.mark.slow
@needs_the_list
def test_a_study_may_start_from_it(make_tasks):
    tasks = make_tasks(2)
    result = metaopt.tune(tasks, n_trials=4, start_from=LIST, against=[], announce=lambda line: None)
    assert [configuration.optimizer for configuration, _ in ((p.configuration, o) for p, o in result.judged)] == [
        "metz_nadamw"
    ] * 4
    assert {proposal.configuration.controller for proposal, _ in result.judged} == {"warmup_hold_cosine"}
    assert {outcome.complete for _, outcome in result.judged} == {True}, "and so may be handed over"
