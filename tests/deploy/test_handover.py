"""A learned rule out of its depth hands over, raises, or is left alone."""

import copy
import dataclasses
import io
import warnings

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.errors import OutOfDepthError
from metaopt.plugin.registry import Registry, current_registry
from metaopt.recipe import MadeOn

pytestmark = pytest.mark.thorough

LONGEST = 20
#: Where no handover watches, a run says by itself that it is longer than planned.
past_the_plan = pytest.mark.filterwarnings(f"ignore:All {LONGEST} planned steps are done")


def recipe_of(rule="mlp_lopt", scale=1.0, longest=LONGEST):
    spec = current_registry().get(metaopt.OptimizerSpec, rule)
    values = {name: distribution.default for name, distribution in spec.meta.full_space.items()}
    theta = spec.meta.init_theta({}, torch.Generator().manual_seed(0), values)
    hparams = {f"{rule}.lr": scale}
    made_on = MadeOn(horizon=(10, longest))
    return metaopt.Recipe.create(Configuration(rule, hparams=hparams), theta=theta, made_on=made_on)


def uphill(scale=0.01):
    """A rule that begins as Adam does, turned around."""
    recipe = recipe_of(scale=scale)
    theta = dict(recipe.theta)
    theta["w2"] = torch.cat([-theta["w2"][:, :1], theta["w2"][:, 1:]], dim=1)
    return dataclasses.replace(recipe, theta=theta)


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


INPUTS = torch.randn(32, 3, generator=torch.Generator().manual_seed(1))
TARGETS = INPUTS.sum(1, keepdim=True)


def train(run, model, steps, spoil=lambda step, model: None):
    losses = []
    for step in range(steps):
        run.optimizer.zero_grad()
        loss = (model(INPUTS) - TARGETS).square().mean()
        loss.backward()
        spoil(step, model)
        run.step(loss)
        losses.append(float(loss.detach()))
    return losses


@past_the_plan
def test_a_rule_that_diverges_hands_over_once_and_training_recovers():
    model, unguarded = model_of(), model_of()
    run = uphill().bind(model, total_steps=LONGEST)
    with pytest.warns(
        RuntimeWarning, match=r"'mlp_lopt' is out of its depth at step \d+: the training loss rose"
    ) as seen:
        losses = train(run, model, 1500)
    assert len(seen) == 1
    assert 1 <= run.optimizer.handed_over < 40
    assert run.optimizer.assembly.optimizer.name == "nadamw"
    default = current_registry().get(metaopt.OptimizerSpec, "nadamw").space["lr"].default
    assert run.optimizer.param_groups[0]["lr"] == default, "controllers multiply the fallback's own rate"
    assert losses[-1] < losses[0] < losses[1]

    left_alone = uphill().bind(unguarded, total_steps=LONGEST, guard="off")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        without = train(left_alone, unguarded, 800)
    assert not without[-1] < 1000 * losses[0]


def test_past_twice_its_longest_training_it_hands_over_with_its_moments():
    model = model_of()
    run = recipe_of(scale=1e-3).bind(model, total_steps=LONGEST)
    train(run, model, 2 * LONGEST)
    assert run.optimizer.handed_over is None
    weight = model[0].weight
    before = {key: value.clone() for key, value in run.optimizer.state[weight].items()}
    with pytest.warns(RuntimeWarning, match=f"at step {2 * LONGEST}: its longest training had {LONGEST} steps"):
        train(run, model, 1)
    state = run.optimizer.state[weight]
    assert state["exp_avg"].shape == weight.shape
    torch.testing.assert_close(state["exp_avg"], 0.9 * before["momentum"][0] + 0.1 * weight.grad)
    assert float(state["step"]) == 2 * LONGEST + 1


@pytest.mark.parametrize("entry", [float("nan"), -1e25])
def test_one_gradient_that_cannot_be_squared_is_skipped_and_the_rule_goes_on(entry):
    """An update from it would not be finite, though the gradient may be."""

    def spoil(step, model):
        model[0].weight.grad[0, 0] = entry

    model = model_of()
    run = recipe_of(scale=1e-3).bind(model, total_steps=LONGEST)
    train(run, model, 3)
    before = copy.deepcopy(model.state_dict())
    with pytest.warns(RuntimeWarning, match="At step 3 the gradients are not finite"):
        train(run, model, 1, spoil)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    losses = train(run, model, 30)
    assert losses[-1] < losses[0]
    assert run.optimizer.handed_over is None
    assert not torch.equal(model[0].weight, before["0.weight"])


def test_where_such_gradients_go_on_it_hands_over_and_then_the_run_is_over():
    def spoil(step, model):
        model[0].weight.grad[0, 0] = float("inf")

    model = model_of()
    run = recipe_of(scale=1e-3, longest=10**6).bind(model, total_steps=LONGEST)
    train(run, model, 3)
    with pytest.warns(RuntimeWarning, match="At step 3 the gradients are not finite"):
        train(run, model, 1, spoil)
    with pytest.warns(RuntimeWarning, match="at step 22: 20 steps in a row were skipped, .* 'nadamw' takes over"):
        train(run, model, 19, spoil)
    assert run.optimizer.handed_over == 22
    assert not run.observe(1.0).stop
    with pytest.warns(RuntimeWarning, match=r"run\.observe\(value\) says stop"):
        train(run, model, 20, spoil)
    decision = run.observe(1.0)
    assert decision.stop
    assert "20 steps in a row were skipped" in decision.reason


@pytest.mark.parametrize("rule", ["mlp_lopt", "celo", "celo_adam"])
def test_raising_says_what_is_wrong(rule):
    model = model_of()
    run = recipe_of(rule, scale=1e-3).bind(model, total_steps=LONGEST, guard="raise")
    train(run, model, 2 * LONGEST)
    with pytest.raises(OutOfDepthError, match=f"The learned rule '{rule}' is out of its depth at step {2 * LONGEST}"):
        train(run, model, 1)


@pytest.mark.parametrize("rule", ["celo", "celo_adam"])
def test_every_learned_rule_for_whole_trainings_has_moments_to_hand_over(rule):
    model = model_of()
    run = recipe_of(rule, scale=1e-3).bind(model, total_steps=LONGEST)
    with pytest.warns(RuntimeWarning, match="'nadamw' takes over with the moments"):
        losses = train(run, model, 2 * LONGEST + 60)
    assert losses[-1] < losses[2 * LONGEST]


def test_it_is_kept_in_the_state_and_resumed_bit_for_bit():
    model = model_of()
    run = recipe_of(scale=10.0).bind(model, total_steps=LONGEST)
    with pytest.warns(RuntimeWarning, match="out of its depth"):
        train(run, model, 30)
    buffer = io.BytesIO()
    torch.save({"run": run.state_dict(), "model": model.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    expected = train(run, model, 20)

    again = model_of()
    again.load_state_dict(saved["model"])
    resumed = recipe_of(scale=10.0).bind(again, total_steps=LONGEST)
    resumed.load_state_dict(saved["run"])
    assert resumed.optimizer.handed_over == run.optimizer.handed_over
    assert train(resumed, again, 20) == expected


def test_a_loop_that_steps_the_optimizer_itself_is_watched_too():
    model = model_of()
    run = uphill().bind(model, total_steps=LONGEST)

    def go():
        for _ in range(60):
            run.optimizer.zero_grad()
            loss = (model(INPUTS) - TARGETS).square().mean()
            loss.backward()
            run.optimizer.step()
            run.record_loss(loss)
            run.scheduler.step()

    with pytest.warns(RuntimeWarning, match="out of its depth at step .* the training loss rose"):
        go()
    assert run.optimizer.assembly.optimizer.name == "nadamw"


def test_skorch_is_watched_too():
    skorch = pytest.importorskip("skorch", reason="needs skorch")
    from metaopt.integrations.skorch import RecipeCallback

    net = skorch.NeuralNetRegressor(
        model_of(), max_epochs=40, batch_size=-1, train_split=None, verbose=0,
        callbacks=[RecipeCallback(uphill(), total_steps=LONGEST, monitor="train_loss")],
    )  # fmt: skip
    with pytest.warns(RuntimeWarning, match="out of its depth at step .* the training loss rose"):
        net.fit(INPUTS, TARGETS)


def test_training_that_begins_far_outside_the_losses_it_knows_says_so():
    recipe = recipe_of(scale=1e-3)
    known = dataclasses.replace(recipe, made_on=MadeOn(horizon=(10, LONGEST), loss=(0.01, 0.02)))
    model = model_of()
    with pytest.warns(UserWarning, match=r"at a loss of 2\.06; 'mlp_lopt' was made on .* between 0\.01 and 0\.02"):
        train(known.bind(model, total_steps=LONGEST), model, 2)
    near = dataclasses.replace(recipe, made_on=MadeOn(horizon=(10, LONGEST), loss=(0.5, 3.0)))
    model = model_of()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(near.bind(model, total_steps=LONGEST), model, 2)


@past_the_plan
def test_other_rules_are_not_watched_and_other_words_are_refused():
    adamw = metaopt.Recipe.create(Configuration("adamw"))
    model = model_of()
    run = adamw.bind(model, total_steps=LONGEST)
    train(run, model, 3 * LONGEST)
    with pytest.raises(metaopt.InputError, match=r"guard must be 'fallback', 'raise' or 'off', got 'maybe'\."):
        adamw.bind(model, total_steps=LONGEST, guard="maybe")


def test_a_class_without_a_rule_cannot_take_over():
    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(torch.optim.Adamax))
    with pytest.raises(
        metaopt.InputError, match="fallback='adamax' is a library's class without a rule, and what takes"
    ):
        recipe_of().bind(nn.Linear(2, 1), total_steps=10, fallback="adamax", registry=registry)
