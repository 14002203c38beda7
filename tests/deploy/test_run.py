import gc
import io
import math
import time

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.plugin.registry import Registry, current_registry
from metaopt.recipe import Recipe

STEPS = 40


def model_of(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))


def batch(step):
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(16, 4, generator=generator)
    return inputs, inputs.sum(1, keepdim=True) / 2


def train(run, model, first, last, values=None):
    """Steps from `first` to `last`, a validation after every fifth; returns losses and decisions."""
    losses, decisions = [], []
    for step in range(first, last):
        run.optimizer.zero_grad()
        inputs, targets = batch(step)
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        run.step(loss)
        losses.append(loss.item())
        if (step + 1) % 5 == 0:
            decisions.append(run.observe(validate(run, model) if values is None else values[step // 5]))
    return losses, decisions


@torch.no_grad()
def validate(run, model):
    with run.evaluating():
        inputs, targets = batch(10**6)
        return nn.functional.mse_loss(model(inputs), targets).item()


def recipe_of(optimizer="adamw", controller="cosine", stopper=None, **keywords):
    return Recipe.create(Configuration(optimizer, controller, **keywords), stopper)


def saved_and_loaded(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_an_ordinary_loop_learns_and_ends_with_its_best_weights():
    model = model_of()
    run = recipe_of(hparams={"adamw.lr": 0.03}).bind(model, total_steps=STEPS)
    before = validate(run, model)
    _, decisions = train(run, model, 0, STEPS)
    run.restore_best()
    assert decisions[-1].best_value < before / 2
    assert validate(run, model) == decisions[-1].best_value == run.best_value
    assert run.num_steps == STEPS


def test_binding_writes_no_parameters():
    for optimizer in ("adamw", "schedulefree_adamw", "prodigy"):
        model = model_of()
        before = weights(model)
        recipe_of(optimizer, "constant").bind(model, total_steps=STEPS)
        assert same(before, model.state_dict())


def test_best_weights_come_with_buffers_and_in_place():
    model = model_of()
    run = recipe_of().bind(model, total_steps=STEPS)
    parameters = list(model.parameters())
    train(run, model, 0, 10, values=[2.0, 1.0])
    best = weights(model)
    train(run, model, 10, 25, values=[None, None, 1.5, math.nan, 1.0])
    assert not same(best, model.state_dict())
    run.restore_best()
    assert same(best, model.state_dict())
    assert [id(parameter) for parameter in model.parameters()] == [id(parameter) for parameter in parameters]
    assert (run.best_step, run.best_value) == (10, 1.0)


def test_for_a_metric_that_is_better_when_higher_the_highest_is_kept():
    model = model_of()
    run = recipe_of().bind(model, total_steps=STEPS, mode="max")
    _, decisions = train(run, model, 0, 15, values=[0.5, 0.9, 0.7])
    assert decisions[-1].best_value == 0.9
    assert decisions[-1].best_step == 10


@pytest.mark.parametrize(
    ("optimizer", "keywords"),
    [("schedulefree_adamw", {}), ("adamw", {"wrappers": ("averaged",)})],
)
def test_averaged_weights_are_evaluated_kept_and_restored(optimizer, keywords):
    model = model_of()
    run = recipe_of(optimizer, "constant", **keywords).bind(model, total_steps=STEPS)
    train(run, model, 0, 9, values=[math.nan])
    training = weights(model)
    with run.evaluating():
        averaged = weights(model)
        assert not model.training
        with run.evaluating():
            assert same(averaged, model.state_dict())
    assert model.training
    assert same(training, model.state_dict())
    assert not torch.equal(training["0.weight"], averaged["0.weight"])
    run.observe(1.0)
    assert same(training, model.state_dict())
    with pytest.warns(UserWarning, match=r"measured with the training weights, .* `with run.evaluating\(\):`"):
        train(run, model, 9, 20, values=[None, 5.0, 5.0, 5.0])
    run.restore_best()
    assert same(averaged, model.state_dict())
    with run.evaluating():
        assert same(averaged, model.state_dict())
        assert not model.training


RECIPES = {
    "native": {"controller": "wsd", "stopper": StopperConfiguration("patience", {"patience": 0.4})},
    "momentum and plateau": {"optimizer": "sgd", "controller": "plateau", "hparams": {"plateau.patience": 1}},
    "schedule-free": {"optimizer": "schedulefree_adamw", "stopper": StopperConfiguration("prechelt")},
    "a rule in a wrapper": {"optimizer": "lion", "wrappers": ("averaged",), "controller": "one_cycle"},
    "one shared estimate": {"optimizer": "prodigy", "stopper": StopperConfiguration("prechelt", {"criterion": "pq"})},
}


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(settings):
    recipe = recipe_of(**settings)
    model = model_of()
    run = recipe.bind(model, total_steps=STEPS)
    losses, decisions = train(run, model, 0, STEPS)

    first_model = model_of()
    first = recipe.bind(first_model, total_steps=STEPS)
    before = train(first, first_model, 0, 17)
    state = saved_and_loaded({"model": first_model.state_dict(), "run": first.state_dict()})
    second_model = model_of(seed=1)
    second_model.load_state_dict(state["model"])
    second = recipe.bind(second_model, total_steps=STEPS)
    second.load_state_dict(state["run"])
    after = train(second, second_model, 17, STEPS)

    assert before[0] + after[0] == losses
    assert before[1] + after[1] == decisions
    assert same(model.state_dict(), second_model.state_dict())
    run.restore_best()
    second.restore_best()
    assert same(model.state_dict(), second_model.state_dict())


def test_validating_again_right_after_a_resume_does_not_count_twice():
    recipe = recipe_of(stopper=StopperConfiguration("patience", {"patience": 2}))
    model = model_of()
    run = recipe.bind(model, total_steps=STEPS)
    _, decisions = train(run, model, 0, 10, values=[1.0, 2.0])
    again = recipe.bind(model, total_steps=STEPS)
    again.load_state_dict(run.state_dict())
    assert again.observe(2.0) == decisions[-1]
    assert not again.observe(2.0).stop
    assert train(again, model, 10, 15, values=[None, None, 2.0])[1][0].stop


def test_a_stopped_run_that_is_resumed_says_the_same_again():
    recipe = recipe_of(stopper=StopperConfiguration("patience", {"patience": 1}))
    model = model_of()
    run = recipe.bind(model, total_steps=STEPS)
    _, decisions = train(run, model, 0, 10, values=[1.0, 2.0])
    assert decisions[-1].stop
    again = recipe.bind(model, total_steps=STEPS)
    again.load_state_dict(run.state_dict())
    assert train(again, model, 10, 15, values=[None, None, 0.5])[1][0].reason == decisions[-1].reason


def test_patience_in_fractions_of_the_horizon_ignores_how_often_one_validates():
    recipe = recipe_of(stopper=StopperConfiguration("patience", {"patience": 0.25}))
    stopped = []
    for every in (1, 2, 5):
        model = model_of()
        run = recipe.bind(model, total_steps=STEPS)
        for step in range(STEPS):
            run.optimizer.step()
            run.scheduler.step()
            if (step + 1) % every == 0 and run.observe(1.0 / (step + 1) if step < 9 else 2.0).stop:
                stopped.append(step + 1)
                break
    assert stopped == [9 + 10, 8 + 10, 5 + 10]


def test_patience_in_seconds_counts_those_of_the_run_and_none_while_it_was_not_running():
    recipe = recipe_of(stopper=StopperConfiguration("patience", {"patience": 0.4, "unit": "seconds"}))
    model = model_of()
    run = recipe.bind(model, total_steps=STEPS)
    train(run, model, 0, 5, values=[1.0])
    state = saved_and_loaded(run.state_dict())
    time.sleep(0.5)  # while it is not running
    again = recipe.bind(model, total_steps=STEPS)
    again.load_state_dict(state)
    _, decisions = train(again, model, 5, 10, values=[None, 2.0])
    assert not decisions[-1].stop
    time.sleep(0.4)
    _, decisions = train(again, model, 10, 15, values=[None, None, 2.0])
    assert decisions[-1].stop
    seconds = again.stopper.state_dict()["signals"]["seconds"]
    assert seconds == sorted(seconds)
    assert 0.4 <= seconds[2] - seconds[0] < 0.9


def test_patience_in_epochs_asks_for_them_by_name():
    recipe = recipe_of(stopper=StopperConfiguration("patience", {"patience": 1, "unit": "epochs"}))
    run = recipe.bind(model_of(), total_steps=STEPS)
    with pytest.raises(metaopt.InputError, match=r"requires epoch: call run.observe\(value, epoch=...\)"):
        run.observe(1.0)
    assert [run.observe(value, epoch=epoch).stop for epoch, value in ((0.5, 1.0), (1, 2.0), (1.5, 2.0))] == [0, 0, 1]


@pytest.mark.parametrize("patience", [2, 20])
def test_the_best_weights_come_back_whether_or_not_it_stopped_and_after_a_resume(patience):
    recipe = recipe_of(stopper=StopperConfiguration("patience", {"patience": patience}))
    model = model_of()
    run = recipe.bind(model, total_steps=STEPS)
    train(run, model, 0, 5, values=[1.0])
    best = weights(model)
    _, decisions = train(run, model, 5, 15, values=[None, 2.0, 3.0])
    assert decisions[-1].stop == (patience == 2)
    resumed_model = model_of(seed=1)
    resumed = recipe.bind(resumed_model, total_steps=STEPS)
    resumed.load_state_dict(saved_and_loaded(run.state_dict()))
    for either, its_model in ((run, model), (resumed, resumed_model)):
        either.restore_best()
        assert same(best, its_model.state_dict())


@pytest.mark.parametrize("value", [None, "good", torch.zeros(2), [1.0, 2.0]])
def test_a_metric_that_is_no_number_is_refused(value):
    run = recipe_of(stopper=StopperConfiguration("patience")).bind(model_of(), total_steps=STEPS)
    with pytest.raises(metaopt.InputError, match=r"run.observe\(\) takes the metric as one number, got"):
        run.observe(value)
    assert run.stopper.state_dict()["steps"] == []


def test_a_patience_of_nothing_is_refused():
    with pytest.raises(metaopt.InputError, match=r"patience\.patience must be in \(0, inf\), got 0"):
        recipe_of(stopper=StopperConfiguration("patience", {"patience": 0})).bind(model_of(), total_steps=STEPS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "who"),
    [
        ({"stopper": StopperConfiguration("patience")}, "The recipe's stopper"),
        ({"controller": "plateau"}, "The controller 'plateau'"),
    ],
)
def test_a_validation_that_never_ran_is_told_once_the_run_is_given_up(settings, who):
    def trained():
        run = recipe_of(**settings).bind(model_of(), total_steps=3)
        for _ in range(3):
            run.step(1.0)
        return run

    runs = [trained()]
    with pytest.warns(UserWarning, match=f"{who} had no effect: all 3 planned steps are done and it never heard"):
        runs.clear()
    late = trained()
    late.observe(1.0)  # the only validation may follow the last step
    del late
    gc.collect()
    observed = recipe_of(**settings).bind(model_of(), total_steps=3)
    observed.step(1.0)
    observed.observe(1.0)
    observed.step(1.0)
    resumed = recipe_of(**settings).bind(model_of(), total_steps=3)
    resumed.load_state_dict(observed.state_dict())
    resumed.step(1.0)
    del resumed, observed
    gc.collect()


def test_steps_past_the_plan_are_told_once():
    run = recipe_of().bind(model_of(), total_steps=3)
    for _ in range(3):
        run.step(1.0)
    with pytest.warns(UserWarning, match="All 3 planned steps are done and training goes on"):
        run.step(1.0)
    run.step(1.0)


def test_without_a_stopper_nothing_says_stop():
    model = model_of()
    run = recipe_of().bind(model, total_steps=STEPS)
    _, decisions = train(run, model, 0, STEPS, values=[1.0, 2.0, 3.0, math.nan, math.inf, 4.0, 5.0, 6.0])
    assert not any(decision.stop for decision in decisions)
    assert decisions[-1].best_value == 1.0


def test_the_guard_says_stop_once_neither_metric_nor_weights_are_finite():
    model = model_of()
    run = recipe_of().bind(model, total_steps=STEPS)
    train(run, model, 0, 5, values=[1.0])
    best = weights(model)
    with torch.no_grad():
        model[0].weight.fill_(math.nan)
    decision = run.observe(math.nan)
    assert decision.stop
    assert decision.reason == "At step 5 the metric is nan and the weights are no longer finite: training diverged."
    assert decision.best_value == 1.0
    run.restore_best()
    assert same(best, model.state_dict())

    unguarded = recipe_of().bind(model_of(), total_steps=STEPS, guard=False)
    unguarded.record_loss(torch.tensor(math.nan))
    assert not unguarded.observe(math.nan).stop


def test_the_guard_listens_to_the_training_loss_too():
    run = recipe_of().bind(model_of(), total_steps=STEPS)
    run.record_loss(torch.tensor(math.inf))
    assert not run.observe(1.0).stop
    assert "the training loss is not finite" in run.observe(math.nan).reason


def test_restoring_without_anything_to_restore_says_why():
    run = recipe_of().bind(model_of(), total_steps=STEPS)
    with pytest.raises(metaopt.InputError, match=r"run.observe\(value\) was never called"):
        run.restore_best()
    run.observe(math.nan)
    with pytest.raises(metaopt.InputError, match="none of 1 observed values was finite"):
        run.restore_best()
    run.observe(1.0)
    with run.evaluating(), pytest.raises(metaopt.InputError, match=r"Leave `with run\.evaluating"):
        run.restore_best()
    bare = recipe_of().bind(model_of(), total_steps=STEPS, keep_best=None)
    bare.observe(1.0)
    with pytest.raises(metaopt.InputError, match="keep_best='cpu'"):
        bare.restore_best()


def test_a_stopper_that_uses_signals_gets_those_that_the_run_knows():
    model = model_of()
    run = recipe_of("sgd", "linear", StopperConfiguration("learned_stopper", {"p": 0.0})).bind(model, total_steps=STEPS)
    losses, _ = train(run, model, 0, 5)
    known = run.stopper.state_dict()["signals"]
    assert known["train_loss"] == [pytest.approx(sum(losses) / 5)]
    assert known["lr"] == [pytest.approx(run.optimizer.param_groups[0]["lr"] / run.scheduler.base_lrs[0])]
    assert known["lr"] == [pytest.approx(1 - 3 / 38)], "after a warm-up of 2 of the 40 steps"
    # Who steps without a loss, and who knows the rate better.
    run.optimizer.step()
    run.scheduler.step()
    run.observe(1.0, lr=0.25)
    known = run.stopper.state_dict()["signals"]
    assert known["lr"][1] == 0.25
    assert known["train_loss"][1] == "nan"


def test_a_stopper_that_needs_the_training_loss_gets_its_mean_from_step():
    stopper = StopperConfiguration("prechelt", {"criterion": "pq"})
    model = model_of()
    run = recipe_of(stopper=stopper).bind(model, total_steps=STEPS)
    losses, _ = train(run, model, 0, 10)
    recorded = run.stopper.state_dict()["signals"]["train_loss"]
    assert recorded == pytest.approx([sum(losses[:5]) / 5, sum(losses[5:]) / 5])

    lossless = recipe_of(stopper=stopper).bind(model_of(), total_steps=STEPS)
    lossless.observe(1.0)  # before the first step there is none
    with pytest.raises(metaopt.InputError, match=r"requires train_loss: call run.observe\(value, train_loss=...\)"):
        lossless.observe(1.0)
    assert not lossless.observe(1.0, train_loss=0.5).stop
    with pytest.raises(metaopt.InputError, match="one number, got 'good'"):
        lossless.observe("good", train_loss=0.5)


def test_rules_and_controllers_that_need_the_loss_get_it_from_step():
    class LossRatio:
        def init(self, hparams):
            return {}

        def update(self, state, info, hparams):
            return metaopt.Rate(1 / (1 + info.loss + info.signals["gradient_norm"])), state

    seen = []

    def update(grad, state, param, hparams, theta, info):
        seen.append((float(hparams["lr"]), float(info.loss)))
        return -hparams["lr"] * grad, state

    registry = Registry()
    registry.register(
        metaopt.OptimizerSpec(
            name="loss_sgd",
            version="1",
            rule=metaopt.per_tensor(lambda *_: {}, update),
            space={"lr": metaopt.Float(0.1, 1.0, default=1.0)},
            requires=frozenset({"loss"}),
        )
    )
    registry.register(
        metaopt.ControllerSpec(
            name="loss_ratio",
            version="1",
            controller=LossRatio(),
            cadence="step",
            requires=frozenset({"loss", "gradient_norm"}),
        )
    )
    recipe = Recipe(Configuration("loss_sgd", "loss_ratio"))
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    run = recipe.bind([weight], registry=registry)
    loss = weight.square().sum() / 2
    loss.backward()
    run.step(loss)
    assert seen == [(pytest.approx(1 / (1 + 12.5 + 5)), 12.5)]
    with pytest.raises(metaopt.InputError, match="'loss_ratio' requires loss"):
        run.step()
    without = Recipe(Configuration("loss_sgd", "constant"))
    registry.register(current_registry().get(metaopt.ControllerSpec, "constant"))
    bound = without.bind([weight], registry=registry)
    with pytest.raises(metaopt.PluginError, match=r"'loss_sgd' requires the training loss"):
        bound.step()


def test_bare_parameters_and_groups_can_be_bound():
    model = model_of()
    run = recipe_of().bind(model.parameters(), total_steps=STEPS)
    run.observe(1.0)
    before = weights(model)
    with torch.no_grad():
        model[0].weight.zero_()
    run.restore_best()
    assert same(before, model.state_dict())
    groups = [{"params": [model[0].weight], "lr": 0.5}, {"params": [model[3].weight]}]
    run = recipe_of(controller="linear", hparams={"linear.warmup": 0.0}).bind(groups, total_steps=STEPS)
    assert [group["lr"] for group in run.optimizer.param_groups] == [0.5, 0.001]


def test_it_works_with_a_gradient_scaler_and_clipping():
    model = model_of()
    run = recipe_of().bind(model, total_steps=STEPS)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for step in range(5):
        run.optimizer.zero_grad()
        inputs, targets = batch(step)
        loss = nn.functional.mse_loss(model(inputs), targets)
        scaler.scale(loss).backward()
        scaler.unscale_(run.optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(run.optimizer)
        scaler.update()
        run.scheduler.step()
    assert run.num_steps == 5
    assert math.isfinite(run.observe(loss).best_value)


def test_a_state_of_another_run_is_refused():
    run = recipe_of(stopper=StopperConfiguration("patience")).bind(model_of(), total_steps=STEPS)
    with pytest.raises(metaopt.InputError, match=r"mode is 'max', the state's is 'min'"):
        recipe_of().bind(model_of(), total_steps=STEPS, mode="max").load_state_dict(run.state_dict())
    with pytest.raises(metaopt.InputError, match="another stopper"):
        recipe_of().bind(model_of(), total_steps=STEPS).load_state_dict(run.state_dict())


def test_a_horizon_is_asked_for_only_where_something_needs_it():
    with pytest.raises(metaopt.InputError, match=r"'cosine' needs to know how long training will be"):
        recipe_of().bind(model_of())
    run = recipe_of(controller="constant", stopper=StopperConfiguration("patience", {"patience": 2})).bind(model_of())
    assert [run.observe(value).stop for value in (1.0, 2.0, 2.0)] == [False, False, True]


@pytest.mark.parametrize("loss", [0.5, torch.tensor(0.5), torch.tensor([0.5])])
def test_a_loss_may_be_any_one_number(loss):
    run = recipe_of(stopper=StopperConfiguration("prechelt", {"criterion": "pq"})).bind(model_of(), total_steps=STEPS)
    run.step(loss)
    assert not run.observe(1.0).stop


def test_a_loss_of_several_numbers_is_refused():
    run = recipe_of().bind(model_of(), total_steps=STEPS)
    with pytest.raises(metaopt.InputError, match=r"one number, got a tensor of shape \(16, 1\); take its mean"):
        run.step(torch.zeros(16, 1))


@pytest.mark.parametrize("optimizer", ["adamw", "lion", "schedulefree_adamw"])
def test_training_and_saving_wait_until_evaluation_is_over(optimizer):
    run = recipe_of(optimizer).bind(model_of(), total_steps=STEPS)
    with run.evaluating():
        with pytest.raises(metaopt.InputError, match=r"Leave `with run.evaluating\(\)` before calling run.step\(\)"):
            run.step(torch.tensor(1.0))
        with pytest.raises(metaopt.InputError, match=r"Leave `with run.evaluating\(\)` before saving"):
            run.state_dict()


@pytest.mark.parametrize("signals", [{"train_loss": "a"}, {"train_loss": torch.zeros(2)}])
def test_a_signal_that_is_no_number_is_named(signals):
    run = recipe_of().bind(model_of(), total_steps=STEPS)
    with pytest.raises(metaopt.InputError, match=r"takes train_loss as one number"):
        run.observe(1.0, **signals)


def test_what_is_no_state_of_a_run_says_what_it_lacks():
    run = recipe_of().bind(model_of(), total_steps=STEPS)
    with pytest.raises(metaopt.InputError, match=r"not what run.state_dict\(\) returned: it lacks best_weights"):
        run.load_state_dict({"mode": "min"})
