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


def with_stages():
    torch.manual_seed(0)

    def stage():
        blocks = (nn.ModuleDict({"norm": nn.LayerNorm(8), "mlp": nn.Sequential(nn.Linear(8, 8))}) for _ in range(2))
        return nn.ModuleDict({"down": nn.Linear(8, 8), "blocks": nn.ModuleList(blocks)})

    return nn.ModuleDict(
        {"table": nn.Embedding(9, 8), "stages": nn.ModuleList([stage(), stage()]), "head": nn.Linear(8, 9)}
    )


CASES = {
    "several classes": {"roles": {"matrix": {"optimizer": "sgd", "rate": 0.5}, "input": {"rate": 0.25}}},
    "one class": {"roles": {"embedding": {"rate": 0.25}, "head": {"weight_decay": 0.3}}, "no_decay": "none"},
    "by depth": {"depth_decay": 0.7},
    "by fan-in": {"roles": {"input": {"fan_in": 2}, "matrix": {"fan_in": 6, "rate": 0.5}}},
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


def library_class(optimizer):
    """The class of an optimizer whose groups are completed by a class of that name in between."""
    return next(base for base in type(optimizer).__mro__ if getattr(torch.optim, base.__name__, None) is base)


@pytest.mark.parametrize("model", [perceptron, language_model, with_backbone, with_norms_first, with_stages])
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
        param: (library_class(own), group["lr"], group["weight_decay"])
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


def with_muon(model):
    recipe = metaopt.Recipe.create(Configuration("adamw", "cosine", roles={"matrix": {"optimizer": "muon"}}))
    space = {}
    exec(recipe.code(), space)
    return space, lambda: space["make_optimizers"](model)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
def test_an_optimizer_that_has_nothing_to_train_is_left_out():
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    space, make = with_muon(model)
    assert [type(optimizer) for optimizer in make()] == [torch.optim.AdamW]
    before = model[0].weight.detach().clone()
    batches = [(torch.ones(4, 3), torch.ones(4, 1))] * 3
    history = space["train"](model, batches, nn.functional.mse_loss, lambda model: 1.0, 1)
    assert history == [(3, 1.0)]
    assert not torch.equal(model[0].weight, before)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
def test_a_kernel_that_a_class_does_not_take_is_refused_and_may_have_another_role():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, 2))
    space, make = with_muon(model)
    with pytest.raises(ValueError, match=r"1.weight has 4 dimensions, and torch.optim.Muon takes 2: give it another"):
        make()
    found = space["roles_of"]
    space["roles_of"] = lambda model: {**found(model), "1.weight": "vector"}
    adamw, muon = make()
    assert [type(adamw), type(muon)] == [torch.optim.AdamW, torch.optim.Muon]
    assert [id(param) for group in muon.param_groups for param in group["params"]] == [id(model[3].weight)]
