"""A recipe with a law: its rate for a model, what is told, and that nothing else changes."""

import copy
import json
import logging
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, RateLaw, Recipe, Role
from metaopt.contracts import Scale
from metaopt.recipe import MadeOn

LAW = {"adamw": RateLaw(0.4, 0.3, 0.2)}


def model(width=100):
    return nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, 20), nn.ReLU(), nn.Linear(20, 3))


def lawful(**fields):
    settings = {"hparams": {"adamw.lr": 0.02}, "rate_law": LAW, **fields}
    return Recipe.create(Configuration("adamw", "constant", **settings))


def size(module):
    return sum(param.numel() for param in module.parameters() if param.requires_grad)


def rate(run):
    return run.optimizer.param_groups[0]["lr"]


def test_bind_sets_the_rate_that_rate_at_tells():
    module, recipe = model(), lawful()
    run = recipe.bind(module, total_steps=2_000, batch_size=16)
    assert rate(run) == recipe.rate_at(parameters=size(module), batch_size=16, total_steps=2_000)
    assert rate(run) == pytest.approx(0.02 * LAW["adamw"].factor(Scale(size(module), 16, 2_000)))
    assert recipe.rate_law == LAW


def test_frozen_numbers_do_not_count_and_tied_ones_count_once():
    module = model()
    module[2].weight = nn.Parameter(module[0].weight.detach().T.contiguous())
    module[0].weight.requires_grad_(False)
    run = lawful().bind(module, total_steps=500, batch_size=64)
    assert rate(run) == lawful().rate_at(parameters=size(module))
    tied = nn.Module()
    tied.first, tied.second = nn.Linear(9, 9), nn.Linear(9, 9)
    tied.second.weight = tied.first.weight
    assert rate(lawful().bind(tied)) == lawful().rate_at(parameters=81 + 18)


def test_bare_tensors_count_too_and_iterators_are_read_once():
    module = model()
    assert rate(lawful().bind(module.parameters())) == lawful().rate_at(parameters=size(module))
    groups = [{"params": module[:2].parameters(), "lr": 0.5}, {"params": module[2:].parameters()}]
    run = lawful().bind(groups)
    assert {group["lr"] for group in run.optimizer.param_groups} == {0.5, lawful().rate_at(parameters=size(module))}
    assert sum(len(group["params"]) for group in run.optimizer.param_groups) == 6


def test_without_scaling_the_rate_is_the_stated_one():
    assert rate(lawful().bind(model(), total_steps=9, batch_size=3, scale_rate=False)) == 0.02


def test_a_group_that_states_its_rate_keeps_it():
    module = model()
    groups = [{"params": [*module[0].parameters()], "lr": 0.5}, {"params": [*module[2].parameters()]}]
    run = lawful().bind(groups, total_steps=100)
    stated = {group["lr"] for group in run.optimizer.param_groups}
    assert 0.5 in stated
    assert stated - {0.5} == {lawful().rate_at(parameters=size(module[:4]), total_steps=100)}


def test_each_optimizer_has_a_law_of_its_own_and_roles_keep_their_factor():
    recipe = lawful(roles={"matrix": Role("lion", rate=0.5)}, rate_law={**LAW, "lion": RateLaw(0.1, 0.0, 0.0)})
    module = model()
    run = recipe.bind(module, total_steps=500)
    by_role = {group["role"]: group["lr"] for group in run.optimizer.param_groups}
    assert by_role["matrix"] == pytest.approx(0.5 * recipe.rate_at(parameters=size(module), optimizer="lion"))
    assert by_role["rest"] == recipe.rate_at(parameters=size(module))


def test_repr_and_log_tell_the_rate_and_what_was_not_given(caplog):
    caplog.set_level(logging.INFO, logger="metaopt")
    run = lawful().bind(model(), total_steps=1_000)
    assert "rate 0.02 →" in repr(run)
    assert "2 × the steps (not given, so counted as batch_size 64)" in repr(run)
    assert caplog.messages == [repr(run).partition(", ")[2][:-1]]


def test_far_outside_one_warning_has_the_law_in_place_of_the_log(caplog):
    caplog.set_level(logging.INFO, logger="metaopt")
    recipe = Recipe.create(lawful().configuration, made_on=MadeOn(parameters=(10, 100)))
    with pytest.warns(UserWarning, match=r"times more than the largest, 100\. Its law gives rate 0\.02 → ") as told:
        recipe.bind(model(), total_steps=500, batch_size=64)
    assert len(told) == 1
    assert not caplog.messages


def test_a_recipe_without_a_law_says_nothing(caplog):
    caplog.set_level(logging.INFO, logger="metaopt")
    run = Recipe.create(Configuration("adamw")).bind(model(), total_steps=10)
    assert repr(run) == "Run(step 0 of 10)"
    assert not caplog.messages


def test_resuming_with_another_plan_keeps_the_peak_and_says_so():
    module, recipe = model(), lawful()
    run = recipe.bind(module, total_steps=100)
    module(torch.randn(4, 20)).square().mean().backward()
    run.step()
    longer = recipe.bind(copy.deepcopy(module), total_steps=10_000)
    with pytest.warns(UserWarning, match="below the peak that was saved"):
        longer.load_state_dict(run.state_dict())
    assert rate(longer) == rate(run) == recipe.rate_at(parameters=size(module), total_steps=100)
    assert "→" not in repr(longer)


def test_copies_of_the_optimizer_keep_the_scaled_rate_for_groups_that_join_later():
    run = lawful().bind(model(), total_steps=100, implementation="rule")
    copied = copy.deepcopy(run.optimizer)
    copied.add_param_group({"params": [nn.Parameter(torch.zeros(2, 2))]})
    assert copied.param_groups[-1]["lr"] == rate(run)


def test_documents_with_a_law_are_of_the_newer_schema_and_others_are_as_they_were(tmp_path):
    assert lawful().to_json()["schema"] == 2
    plain = Recipe.create(Configuration("adamw"))
    assert plain.to_json()["schema"] == 1
    assert not {"rate_law", "warmup"} & set(plain.to_json()["configuration"])
    recipe = lawful()
    recipe.save(tmp_path)
    assert metaopt.load_recipe(tmp_path) == recipe
    document = json.loads((tmp_path / "recipe.json").read_text())
    document["configuration"]["rate_law"]["adamw"]["parameters"] = "steep"
    (tmp_path / "recipe.json").write_text(json.dumps(document))
    with pytest.raises(metaopt.RecipeError, match="exponent of parameters must be a number from -2 to 2, got 'steep'"):
        metaopt.load_recipe(tmp_path)


def test_what_was_measured_of_a_law_is_no_part_of_the_key():
    measured = {"adamw": RateLaw(0.4, 0.3, 0.2, spread=0.9, measured={"parameters": (1e3, 1e5)})}
    assert lawful().configuration.key == lawful(rate_law=measured).configuration.key
    assert lawful().configuration.key != lawful(rate_law={}).configuration.key


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"rate_law": {"lion": RateLaw()}}, "'lion' is none of the configuration's optimizers, adamw"),
        ({"rate_law": LAW, "wrappers": ("dog",)}, "'dog' sets the rate"),
        ({"rate_law": 3}, "rate_law must map optimizers to laws"),
        ({"warmup": 2}, "warmup must be a share of the planned steps, from 0 to 1, got 2"),
    ],
)
def test_laws_that_cannot_act_are_refused(fields, sentence):
    with pytest.raises(metaopt.InputError, match=sentence):
        Recipe.create(Configuration("adamw", **fields))


def test_a_factor_takes_no_law():
    with pytest.raises(metaopt.PluginError, match="the lr of 'prodigy' is no rate"):
        Recipe.create(Configuration("prodigy", rate_law={"prodigy": RateLaw()}))


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "64", True])
def test_batch_sizes_that_are_none_are_refused(wrong):
    with pytest.raises(metaopt.InputError, match="batch_size must be a positive whole number, got"):
        lawful().bind(model(), batch_size=wrong)


def test_rate_at_refuses_what_it_does_not_know():
    with pytest.raises(metaopt.InputError, match="rate_at takes no 'params'"):
        lawful().rate_at(params=3)
    with pytest.raises(metaopt.InputError, match="optimizer must be one of adamw, got 'muon'"):
        lawful().rate_at(optimizer="muon")
    with pytest.raises(metaopt.InputError, match="total_steps must be a number above 0, got 0"):
        lawful().rate_at(total_steps=0)


def test_pretrained_weights_are_told_and_their_input_is_not_slowed():
    recipe = lawful(roles={"input": Role(rate=0.25)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slowed = recipe.bind(model(), total_steps=500)
        recipe.bind(model(), total_steps=500, pretrained=False)
    assert len({group["lr"] for group in slowed.optimizer.param_groups}) == 2
    with pytest.warns(UserWarning, match="from scratch, and the model's are pretrained.*not slowed"):
        run = recipe.bind(model(), total_steps=500, pretrained=True)
    assert len({group["lr"] for group in run.optimizer.param_groups}) == 1


def test_a_recipe_for_pretrained_weights_says_so_of_fresh_ones():
    recipe = Recipe.create(lawful().configuration, made_on=MadeOn(pretrained=True))
    assert recipe.to_json()["schema"] == 2
    with pytest.warns(UserWarning, match="made on pretrained weights, and the model's are not"):
        recipe.bind(model(), total_steps=500, pretrained=False)
    with pytest.raises(metaopt.InputError, match="pretrained must be True, False or None, got 'yes'"):
        recipe.bind(model(), pretrained="yes")


@pytest.mark.parametrize("value", ["yes", 0, None])
def test_whether_the_law_acts_is_true_or_false(value):
    with pytest.raises(metaopt.errors.InputError, match="scale_rate must be True or False, got"):
        lawful().bind(model(), scale_rate=value)


def test_a_run_resumed_with_another_batch_keeps_its_rate_and_tells_no_other():
    before = lawful().bind(model(), total_steps=9, batch_size=8)
    after = lawful().bind(model(), total_steps=9, batch_size=512)
    after.load_state_dict(before.state_dict())
    assert rate(after) == rate(before)
    assert repr(after) == "Run(step 0 of 9)"
    same = lawful().bind(model(), total_steps=9, batch_size=8)
    same.load_state_dict(before.state_dict())
    assert repr(same) == repr(before)


def test_a_run_is_pickled_before_its_first_step():
    run = lawful().bind(model(), total_steps=9)
    assert repr(pickle.loads(pickle.dumps(run))) == repr(run)


def test_sizes_may_be_numbers_of_numpy():
    run = lawful().bind(model(), total_steps=np.int64(90), batch_size=np.int32(8))
    assert rate(run) == rate(lawful().bind(model(), total_steps=90, batch_size=8))
    assert lawful().rate_at(parameters=np.float32(1e6)) == lawful().rate_at(parameters=1e6)
    assert RateLaw(np.float64(0.5)) == RateLaw(0.5)
    assert json.dumps(Role(fan_in=np.int64(64)).to_json()) == json.dumps(Role(fan_in=64.0).to_json())
    assert json.dumps(Configuration("adamw", "plateau", warmup=np.float64(0.1)).to_json()["warmup"]) == "0.1"
