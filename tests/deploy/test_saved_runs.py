"""A run's state is for the run that it came from, whatever wraps the model; another's is refused when it is loaded."""

import copy
import io
import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.plugin.kinds import StopperSpec
from metaopt.plugin.registry import current_registry
from metaopt.recipe import Recipe

pytestmark = pytest.mark.thorough

TOTAL = 12


class Network(nn.Module):
    """With a buffer, a layer that is called as wrappers call theirs, and tied weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.module = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4))
        self.tied = self.first

    def forward(self, inputs):
        return self.tied(torch.tanh(self.module(self.first(inputs))))


def network(kind=Network):
    torch.manual_seed(0)
    return kind()


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def recipe_of(optimizer="adamw", controller="cosine", stopper=None, **keywords):
    return Recipe.create(Configuration(optimizer, controller, **keywords), stopper)


def train(run, model, first, last):
    for step in range(first, last):
        inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        run.optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        run.step(loss)


def observe(run, value):
    with run.evaluating():
        return run.observe(value)


def through_a_file(document):
    buffer = io.BytesIO()
    torch.save(document, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


WRAPS = {
    "bare": lambda model: model,
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "data parallel": nn.DataParallel,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "both": lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
}
DEPLOYED = {
    "class": {},
    "rule": {"optimizer": "lion"},
    "averages": {"optimizer": "schedulefree_adamw"},
    "agreement": {"controller": "hypergradient"},
}


@pytest.mark.parametrize("settings", DEPLOYED.values(), ids=DEPLOYED)
@pytest.mark.parametrize(("there", "here"), [pair for pair in itertools.permutations(WRAPS, 2) if "bare" in pair])
@pytest.mark.parametrize("make", [network, plain])
def test_a_checkpoint_of_a_wrapped_model_continues_in_the_bare_one_and_back(settings, there, here, make):
    model = make()
    outer = WRAPS[there](model)
    trained = outer.module if there == "averaged" else model  # AveragedModel trains a copy
    run = recipe_of(**settings).bind(outer, total_steps=TOTAL)
    train(run, outer, 0, 4)
    observe(run, 1.0)
    with run.evaluating():
        best = copy.deepcopy(trained.state_dict())
    train(run, outer, 4, 6)
    other = make()
    other.load_state_dict(trained.state_dict())
    wrapped = WRAPS[here](other)
    resumed = recipe_of(**settings).bind(wrapped, total_steps=TOTAL)
    resumed.load_state_dict(through_a_file(run.state_dict()))
    inner = wrapped.module if here == "averaged" else other
    for continued, its_model in ((run, outer), (resumed, wrapped)):
        train(continued, its_model, 6, 9)
    assert all(torch.equal(a, b) for a, b in zip(inner.parameters(), trained.parameters(), strict=True))
    resumed.restore_best()
    restored = inner.state_dict()
    assert all(torch.equal(restored[name], value) for name, value in best.items())


def test_the_best_weights_of_another_model_are_refused_when_they_are_loaded():
    model, other = plain(), nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    run = recipe_of("sgd").bind(model, total_steps=TOTAL)
    run.observe(1.0)
    resumed = recipe_of("sgd").bind(other, total_steps=TOTAL)
    with pytest.raises(metaopt.InputError, match=r"another model's: '2\.weight' has the shape \(1, 4\)"):
        resumed.load_state_dict(run.state_dict())
    named = recipe_of("sgd").bind(nn.Sequential(nn.Linear(4, 4)), total_steps=TOTAL)
    with pytest.raises(metaopt.InputError, match=r"another model's: they hold '1\.bias', which this model lacks"):
        named.load_state_dict(run.state_dict())
    assert resumed.num_steps == 0


def stopper_of(name):
    spec = current_registry().get(StopperSpec, name)
    fitted = {} if spec.shipped else {key: np.zeros(shape) for key, shape in spec.theta_shapes.items()}
    children = (StopperConfiguration("patience"),) if spec.combines else ()
    return StopperConfiguration(name, stoppers=children, theta=fitted)


STOPPERS = {name: stopper_of(name) for name in current_registry().names(StopperSpec)}


@pytest.mark.parametrize("name", STOPPERS)
def test_the_state_of_every_other_stopper_is_refused_by_name(name):
    def bound(stopper):
        return recipe_of(stopper=stopper).bind(plain(), total_steps=TOTAL)

    run = bound(STOPPERS[name])
    run.load_state_dict(through_a_file(run.state_dict()))
    for other in (None, *(stopper for key, stopper in STOPPERS.items() if key != name)):
        with pytest.raises(metaopt.InputError, match=r"stopper|state of"):
            bound(other).load_state_dict(run.state_dict())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("settings", DEPLOYED.values(), ids=DEPLOYED)
def test_a_run_goes_on_in_another_precision(settings, dtype):
    model = nn.Linear(4, 1)
    run = recipe_of(**settings).bind(model, total_steps=TOTAL)
    train(run, model, 0, 4)
    observe(run, 1.0)
    other = nn.Linear(4, 1).to(dtype)
    other.load_state_dict(model.state_dict())
    resumed = recipe_of(**settings).bind(other, total_steps=TOTAL)
    resumed.load_state_dict(through_a_file(run.state_dict()))
    train(run, model, 4, 8)
    for step in range(4, 8):
        inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step)).to(dtype)
        resumed.optimizer.zero_grad()
        loss = (other(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        resumed.step(loss)
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(other.weight, model.weight, rtol=tolerance, atol=tolerance, check_dtype=False)
    resumed.restore_best()
    assert other.weight.dtype == dtype


@pytest.mark.parametrize("state", [None, 3, {}, {"optimizer": {}}])
def test_what_is_no_runs_state_is_refused(state):
    with pytest.raises(metaopt.InputError):
        recipe_of().bind(plain(), total_steps=TOTAL).load_state_dict(state)


# Frozen parameters


def half_frozen():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8)).requires_grad_(False), nn.Tanh(), nn.Linear(8, 1)
    )


@pytest.mark.parametrize("settings", DEPLOYED.values(), ids=DEPLOYED)
def test_what_is_frozen_is_not_counted_optimised_or_copied_and_buffers_are_kept(settings):
    model = half_frozen()
    run = recipe_of(**settings).bind(model, total_steps=TOTAL)
    train(run, model, 0, 3)
    observe(run, 1.0)
    best = run.state_dict()["best_weights"]
    assert set(best) == {"0.1.running_mean", "0.1.running_var", "0.1.num_batches_tracked", "2.weight", "2.bias"}
    with run.evaluating():
        best = copy.deepcopy(model.state_dict())
    train(run, model, 3, 6)
    run.restore_best()
    assert all(torch.equal(value, best[name]) for name, value in model.state_dict().items())
    held = [param for group in run.optimizer.param_groups for param in group["params"]]
    assert {id(param) for param in held} == {id(param) for param in model[2].parameters()}


def test_frozen_parameters_do_not_count_towards_what_a_recipe_was_made_on():
    recipe = Recipe.create(Configuration("sgd"), made_on=metaopt.recipe.MadeOn(parameters=(5, 20)))
    model = nn.Sequential(nn.Linear(1000, 1000).requires_grad_(False), nn.Linear(10, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recipe.bind(model, total_steps=TOTAL)
        recipe.bind(list(model.parameters()), total_steps=TOTAL)


@pytest.mark.parametrize("settings", DEPLOYED.values(), ids=DEPLOYED)
def test_a_parameter_that_is_unfrozen_and_that_no_group_holds_is_told_once(settings):
    model = half_frozen()
    run = recipe_of(**settings).bind(model, total_steps=TOTAL)
    train(run, model, 0, 2)
    model[0].requires_grad_(True)
    before = model[0][0].weight.detach().clone()
    with pytest.warns(UserWarning, match=r"'0\.0\.weight' \(and 3 more\) was frozen when .* call optimizer\.add_param"):
        train(run, model, 2, 3)
    train(run, model, 3, 4)
    assert torch.equal(model[0][0].weight, before)


@pytest.mark.parametrize("settings", DEPLOYED.values(), ids=DEPLOYED)
def test_a_group_that_is_added_serves_what_is_unfrozen_and_its_best_weights_come_back(settings):
    model = half_frozen()
    run = recipe_of(**settings).bind(model, total_steps=TOTAL)
    train(run, model, 0, 3)
    observe(run, 1.0)
    with run.evaluating():
        best = copy.deepcopy(model.state_dict())
    model[0].requires_grad_(True)
    run.optimizer.add_param_group({"params": list(model[0].parameters())})
    train(run, model, 3, 6)
    assert not torch.equal(model[0][0].weight, best["0.0.weight"])
    run.restore_best()
    assert all(torch.equal(value, best[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("implementation", ["native", "rule"])
@pytest.mark.parametrize("optimizer", ["adamw", "adagrad", "sgd"])
@pytest.mark.parametrize("no_decay", ["1d", "none"])
def test_a_checkpoint_that_holds_frozen_parameters_too_still_loads(optimizer, implementation, no_decay):
    """As earlier versions made them."""
    keywords = {"hparams": {f"{optimizer}.weight_decay": 0.1, f"{optimizer}.lr": 0.1}, "no_decay": no_decay}
    model = half_frozen()
    everything = [("decayed", []), ("spared", [])]
    for name, param in model.named_parameters():
        everything[param.ndim < 2 and no_decay == "1d"][1].append((name, param) if implementation == "rule" else param)
    settings = {"decayed": {}, "spared": {"weight_decay": 0.0}}
    groups = [{"params": members, **settings[kind]} for kind, members in everything if members]
    whole = metaopt.create_optimizer(
        optimizer,
        groups,
        lr=0.1,
        weight_decay=0.1,
        implementation=implementation,
    )
    run = recipe_of(optimizer, "constant", **keywords).bind(model, total_steps=TOTAL, implementation=implementation)
    train(run, model, 0, 1)
    for param in model.parameters():
        param.grad = None if not param.requires_grad else torch.ones_like(param)
    whole.step()
    old = {key: value for key, value in whole.state_dict().items() if key != "optimizer"}
    state = {**run.state_dict(), "optimizer": old, "best_weights": copy.deepcopy(dict(model.state_dict()))}
    del state["shapes"]
    again = half_frozen()
    resumed = recipe_of(optimizer, "constant", **keywords).bind(again, total_steps=TOTAL, implementation=implementation)
    resumed.load_state_dict(through_a_file(state))
    for param, other in zip(model[2].parameters(), again[2].parameters(), strict=True):
        for key, value in whole.state[param].items():
            assert value is None or torch.equal(resumed.optimizer.state[other][key], value)
    resumed.restore_best()
    train(resumed, again, 1, 3)


def test_the_best_weights_of_bare_parameters_are_those_that_are_trained():
    model = half_frozen()
    run = recipe_of().bind(list(model.parameters()), total_steps=TOTAL)
    run.observe(1.0)
    best = model[2].weight.detach().clone()
    assert len(run.state_dict()["best_weights"]) == 2
    train(run, model, 0, 3)
    run.restore_best()
    assert torch.equal(model[2].weight, best)


def test_a_missing_loss_names_the_part_that_needs_it():
    optimizer = metaopt.create_optimizer("nadamw", plain(), wrappers=["learned_schedule"], total_steps=TOTAL)
    for param in (param for group in optimizer.param_groups for param in group["params"]):
        param.grad = torch.ones_like(param)
    with pytest.raises(metaopt.PluginError, match="The wrapper 'learned_schedule' requires the training loss"):
        optimizer.step()
    with pytest.raises(metaopt.PluginError, match="'learned_schedule' requires the planned number of steps"):
        metaopt.create_optimizer("nadamw", plain(), wrappers=["learned_schedule"])


@pytest.mark.parametrize("whole", [True, False], ids=["model", "parameters"])
def test_another_model_s_state_is_refused_where_neither_run_ever_stepped(whole):
    runs = [
        recipe_of().bind(model if whole else list(model.parameters()), total_steps=TOTAL)
        for model in (nn.Linear(4, 2), nn.Linear(4, 3), nn.Linear(4, 2))
    ]
    state = runs[0].state_dict()
    name = "weight" if whole else "0"
    with pytest.raises(
        metaopt.InputError, match=f"its parameter '{name}' has the shape '2x4', the one here '3x4'; bind"
    ):
        runs[1].load_state_dict(state)
    runs[2].load_state_dict(state)
    del state["shapes"]  # as early runs saved it
    runs[2].load_state_dict(state)
