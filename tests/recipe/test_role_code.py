"""The plain lines of a recipe with roles train as the recipe does."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration


def language_model():
    torch.manual_seed(0)
    blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8)) for _ in range(3))
    return nn.ModuleDict(
        {"table": nn.Embedding(9, 8), "blocks": blocks, "norm": nn.LayerNorm(8), "head": nn.Linear(8, 9)}
    )


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def with_backbone():
    torch.manual_seed(0)
    return nn.Sequential(nn.Sequential(*(nn.Linear(8, 8) for _ in range(3))), nn.Linear(8, 2))


def with_norms_first():
    torch.manual_seed(0)
    blocks = nn.ModuleList(nn.ModuleDict({"norm": nn.LayerNorm(8), "mix": nn.Linear(8, 8)}) for _ in range(3))
    return nn.ModuleDict({"table": nn.Embedding(9, 8), "blocks": blocks, "head": nn.Linear(8, 9)})


CASES = {
    "several classes": {"roles": {"matrix": {"optimizer": "sgd", "rate": 0.5}, "input": {"rate": 0.25}}},
    "one class": {"roles": {"embedding": {"rate": 0.25}, "head": {"weight_decay": 0.3}}, "no_decay": "none"},
    "by depth": {"depth_decay": 0.7},
    "all": {
        "roles": {"vector": {"optimizer": "rmsprop", "weight_decay": 0.1}, "head": {"rate": 2.0}},
        "depth_decay": 0.7,
    },
}


def groups_of(optimizers):
    """Rate and decay of each parameter, and its class."""
    return {
        param: (type(optimizer), pytest.approx(group["lr"]), group["weight_decay"])
        for optimizer in optimizers
        for group in optimizer.param_groups
        for param in group["params"]
    }


@pytest.mark.parametrize("model", [perceptron, language_model, with_backbone, with_norms_first])
@pytest.mark.parametrize("case", CASES)
def test_each_parameter_has_the_class_the_rate_and_the_decay_that_a_run_gives_it(case, model):
    hparams = {"adamw.lr": 0.01, "sgd.lr": 0.1} if case == "several classes" else {"adamw.lr": 0.01}
    recipe = metaopt.Recipe.create(Configuration("adamw", "cosine", hparams=hparams, **CASES[case]))
    space = {}
    exec(recipe.code(), space)
    module = model()
    made = space["make_optimizers"](module) if "make_optimizers" in space else [space["make_optimizer"](module)]
    bound = recipe.bind(module, total_steps=10).optimizer
    with_metaopt = {
        param: (type(own), group["lr"], group["weight_decay"])
        for own in getattr(bound, "classes", {"": bound}).values()
        for group in own.param_groups
        for param in group["params"]
    }
    at_step_one = [space["make_scheduler"](optimizer, 10) for optimizer in made]
    assert len(at_step_one) == len(made)
    plain = groups_of(made)
    assert plain.keys() == with_metaopt.keys()
    for param, own in with_metaopt.items():
        assert plain[param] == own


def test_an_optimizer_without_a_class_has_no_plain_form():
    recipe = metaopt.Recipe.create(Configuration("adamw", roles={"matrix": {"optimizer": "lion"}}))
    with pytest.raises(metaopt.RecipeError, match="no library's class computes what the optimizer 'lion' does"):
        recipe.code()
