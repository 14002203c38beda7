"""A recipe with roles is put to work, saved and loaded like any other."""

import warnings

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.roles.composite_optimizer import CompositeOptimizer

ROLES = {"matrix": {"optimizer": "sgd"}, "input": {"rate": 0.25}}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def recipe(**fields):
    settings = {"roles": ROLES, "depth_decay": 0.9, "hparams": {"adamw.lr": 0.01, "sgd.lr": 0.1}, **fields}
    return metaopt.Recipe.create(Configuration("adamw", settings.pop("controller", "cosine"), **settings))


def trained(run, steps):
    for step in range(steps):
        inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
        run.optimizer.zero_grad()
        loss = (run.model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()
        loss.backward()
        run.step(loss)
    return [param.detach().clone() for param in run.model.parameters()]


def test_a_recipe_with_roles_comes_back_from_its_folder(tmp_path):
    made = recipe()
    made.save(tmp_path)
    loaded = metaopt.load_recipe(tmp_path)
    assert loaded == made
    assert loaded.configuration.roles["matrix"] == metaopt.Role("sgd")
    assert loaded.plugins.keys() == {"optimizer adamw", "optimizer sgd", "controller cosine"}
    assert loaded.name == "adamw+sgd+cosine"


def test_a_run_with_roles_goes_on_where_it_was():
    whole = trained(recipe().bind(network(), total_steps=20), 20)
    first = recipe().bind(network(), total_steps=20)
    assert type(first.optimizer) is CompositeOptimizer
    trained(first, 20 // 2)
    model = network()
    model.load_state_dict(first.model.state_dict())
    second = recipe().bind(model, total_steps=20)
    second.load_state_dict(first.state_dict())
    for step in range(10, 20):
        inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
        second.optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()
        loss.backward()
        second.step(loss)
    assert all(torch.equal(*pair) for pair in zip(whole, model.parameters(), strict=True))


@pytest.mark.parametrize("controller", ["cosine", "polyak"])
def test_rates_of_roles_follow_that_of_the_configuration_s_own_optimizer(controller):
    """Polyak's rate is absolute: the groups keep their ratios to the optimizer's own, whichever group comes first."""
    run = recipe(controller=controller, depth_decay=1.0).bind(network(), total_steps=10)
    trained(run, 6)
    rates = {group["role"]: group["lr"] for group in run.optimizer.param_groups}
    assert rates["input"] / rates["rest"] == pytest.approx(0.25)
    assert rates["matrix"] / rates["rest"] == pytest.approx(0.1 / 0.01)
    if controller == "polyak":
        plain = metaopt.Recipe.create(Configuration("adamw", controller, hparams={"adamw.lr": 0.01}))
        other = plain.bind(network(), total_steps=10)
        trained(other, 1)
        again = recipe(controller=controller, depth_decay=1.0).bind(network(), total_steps=10)
        trained(again, 1)
        rest = next(group for group in again.optimizer.param_groups if group["role"] == "rest")
        assert rest["lr"] == pytest.approx(other.optimizer.param_groups[0]["lr"])


def test_patterns_say_what_was_not_found():
    run = recipe(roles={"head": {"rate": 0.5}}, depth_decay=1.0, hparams={}).bind(
        network(), total_steps=10, roles={"2.*": "head", "4.weight": "matrix"}
    )
    heads = [group for group in run.optimizer.param_groups if group["role"] == "head"]
    assert [tuple(param.shape) for group in heads for param in group["params"]] == [(8, 8), (8,)]
    with pytest.raises(metaopt.InputError, match="matches no parameter"):
        metaopt.load_recipe("default").bind(network(), total_steps=10, roles={"lm_head.*": "head"})


def test_an_optimizer_that_has_nothing_to_train_is_named_and_a_rate_without_parameters_is_not():
    with pytest.warns(UserWarning, match=r"has nothing to train\. No parameter has the role matrix"):
        recipe().bind(nn.Linear(3, 1), total_steps=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recipe(roles={"input": {"rate": 0.5}}, hparams={}).bind(nn.Linear(3, 1), total_steps=10)


def test_a_tuned_recipe_says_to_the_log_alone_what_a_model_has_no_parameters_for(caplog):
    caplog.set_level("INFO", logger="metaopt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metaopt.load_recipe("default").bind(nn.Linear(30, 20), total_steps=500)
    assert "An optimizer of the recipe has nothing to train. No parameter has the role matrix" in caplog.text
    with pytest.warns(UserWarning, match="has nothing to train"):
        metaopt.load_recipe("default").bind(nn.Linear(30, 20), total_steps=500, roles={"bias": "vector"})


def test_a_guarded_step_that_overflows_moves_no_class():
    run = recipe(controller="constant").bind(network(), total_steps=10)
    trained(run, 2)
    before = [param.detach().clone() for param in run.model.parameters()]
    state = {key: value.clone() for key, value in run.optimizer.state[run.model[0].weight].items()}
    for param in run.model.parameters():
        param.grad = torch.full_like(param, torch.inf)
    with pytest.warns(RuntimeWarning, match="skipped"):
        run.step(torch.tensor(1.0))
    assert all(torch.equal(*pair) for pair in zip(before, run.model.parameters(), strict=True))
    after = run.optimizer.state[run.model[0].weight]
    assert all(torch.equal(value, after[key]) for key, value in state.items())


def test_bare_parameters_have_no_roles_beside_their_shapes_which_is_told():
    made = recipe(roles={"input": {"fan_in": 2}}, depth_decay=1.0, hparams={})
    with pytest.warns(
        UserWarning, match=r"Parameters without a model .* shapes alone; bind the model\. No parameter has"
    ):
        run = made.bind(list(network().parameters()), total_steps=5)
    assert {group["lr"] for group in run.optimizer.param_groups} == {run.optimizer.param_groups[0]["lr"]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.bind(nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 2)), total_steps=5)


def test_a_slowed_input_keeps_its_ratio_under_every_controller_and_when_it_goes_on():
    for controller in ("cosine", "wsd", "plateau", "constant"):
        made = recipe(roles={"input": {"fan_in": 1.5}}, depth_decay=1.0, hparams={}, controller=controller)
        run = made.bind(network(), total_steps=10)
        for _ in range(2):
            trained(run, 3)
            run.observe(1.0)
            rates = {group["role"]: group["lr"] for group in run.optimizer.param_groups}
            assert rates["input"] == pytest.approx(rates["rest"] / 2)
        again = made.bind(network(), total_steps=10)
        again.load_state_dict(run.state_dict())
        assert [group["lr"] for group in again.optimizer.param_groups] == [
            group["lr"] for group in run.optimizer.param_groups
        ]
