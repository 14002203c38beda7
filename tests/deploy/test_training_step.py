"""Whoever steps a run's optimizer, it and the controller get what they need, and each step counts once."""

import copy
import gc
import pickle
import warnings
import weakref

import pytest
import torch
from torch import nn
from torch.optim import swa_utils

import metaopt
from metaopt import Configuration
from metaopt.deploy.run_events import RunEvents
from metaopt.deploy.scheduler.scheduler import GRADIENT_SIGNALS, PLAIN_SIGNALS, ControllerScheduler
from metaopt.deploy.stopping.judgement import Judgement, WrapperSignals
from metaopt.deploy.training_step import TrainingSteps
from metaopt.plugin.registry import current_registry

SIGNALS = ["polyak", "greedy", "adagrad_norm", "hypergradient"]
#: Optimizers, wrappers and controllers that need the loss or the gradients of each step.
NEEDY = [
    *({"optimizer": "sgd" if controller == "polyak" else "adamw", "controller": controller} for controller in SIGNALS),
    {"optimizer": "nadamw", "wrappers": ("learned_schedule",), "controller": "constant"},
    {"optimizer": "nadamw", "wrappers": ("hyper_controller",), "controller": "constant"},
]
INPUTS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def name_of(settings):
    return "-".join([*settings.get("wrappers", ()), settings["controller"]])


def bound(optimizer="adamw", controller="cosine", wrappers=(), stopper=None, **bind):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    recipe = metaopt.Recipe.create(Configuration(optimizer, controller, wrappers=wrappers), stopper)
    return model, recipe.bind(model, total_steps=10, **bind)


def loss_of(model):
    return model(INPUTS).square().mean()


def backward(model, run):
    run.optimizer.zero_grad()
    loss = loss_of(model)
    loss.backward()
    return loss


def by_run(model, run):
    run.step(backward(model, run))


def by_host(model, run):
    run.record_loss(backward(model, run))
    run.optimizer.step()
    run.scheduler.step()


def by_accelerate(model, run):
    run.record_loss(backward(model, run))
    run.optimizer.step(None)
    run.scheduler.step()


def by_closure(model, run):
    run.optimizer.step(lambda: backward(model, run))
    run.scheduler.step()


def by_named_closure(model, run):
    run.optimizer.step(closure=lambda: backward(model, run))
    run.scheduler.step()


SCALER = {"init_scale": 4.0, "growth_interval": 1000}


def by_scaler(model, run, scaler=None):
    scaler = torch.amp.GradScaler("cpu", **SCALER) if scaler is None else scaler
    run.optimizer.zero_grad()
    loss = loss_of(model)
    scaler.scale(loss).backward()
    run.record_loss(loss)
    scaler.step(run.optimizer)
    scaler.update()
    run.scheduler.step()


def by_run_and_scaler(model, run, scaler=None):
    scaler = torch.amp.GradScaler("cpu", **SCALER) if scaler is None else scaler
    run.optimizer.zero_grad()
    loss = loss_of(model)
    scaler.scale(loss).backward()
    run.step(loss, scaler=scaler)


HOSTS = [by_host, by_accelerate, by_closure, by_named_closure, by_scaler, by_run_and_scaler]


@pytest.mark.parametrize("guard", ["fallback", "off"])
@pytest.mark.parametrize("settings", NEEDY, ids=name_of)
def test_every_host_trains_as_run_step_does(settings, guard):
    ends = []
    for take_step in [by_run, *HOSTS]:
        model, run = bound(**settings, guard=guard)
        for _ in range(4):
            take_step(model, run)
        assert run.num_steps == run.scheduler.last_epoch == 4
        ends.append((model.weight.detach().clone(), run.scheduler.get_last_lr()))
    for weight, rate in ends[1:]:
        torch.testing.assert_close(weight, ends[0][0], rtol=1e-6, atol=1e-7)
        assert rate == pytest.approx(ends[0][1], rel=1e-6)


@pytest.mark.parametrize("settings", [NEEDY[0], NEEDY[4]], ids=name_of)
def test_a_loss_that_the_host_never_records_is_asked_for_each_time(settings):
    model, run = bound(**settings)
    for _ in range(2):
        backward(model, run)
        with pytest.raises(metaopt.MetaOptError, match=r"run\.record_loss\(loss\) before a host calls optimizer\.step"):
            run.optimizer.step()
    by_host(model, run)
    assert run.num_steps == 1
    backward(model, run)
    with pytest.raises(metaopt.MetaOptError, match="record_loss"):  # the last step's loss is not this one's
        run.optimizer.step()


def test_a_loss_given_to_the_optimizer_itself_serves():
    model, run = bound(**NEEDY[4])
    run.optimizer.step(loss=backward(model, run))
    assert run.num_steps == 1


@pytest.mark.parametrize("take_step", [by_scaler, by_run_and_scaler])
@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd"}, *NEEDY], ids=lambda s: name_of({"controller": "", **s}))
def test_a_step_that_the_scaler_skips_moves_nothing(settings, take_step):
    scaler = torch.amp.GradScaler("cpu", **SCALER)
    model, run = bound(**settings)
    take_step(model, run, scaler)
    before = text_of(model, run)
    scaler._scale.fill_(torch.inf)
    take_step(model, run, scaler)
    assert text_of(model, run) == before
    assert run.num_steps == 1


def text_of(model, run):
    """All that a step may move, as text: two states are equal where their texts are."""
    torch.set_printoptions(precision=12)
    state = run.state_dict()
    text = repr([model.state_dict(), *(state[part] for part in ("optimizer", "scheduler", "num_steps"))])
    torch.set_printoptions(profile="default")
    return text


def test_several_optimizers_share_a_scaler():
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    pairs = [bound(**NEEDY[0]), bound()]
    losses = [loss_of(model) for model, _ in pairs]
    scaler.scale(sum(losses)).backward()
    pairs[0][1].step(losses[0], scaler=scaler, update_scaler=False)
    assert scaler.get_scale() == 4.0
    pairs[1][1].step(losses[1], scaler=scaler)
    assert scaler.get_scale() == 8.0
    assert [run.num_steps for _, run in pairs] == [1, 1]


def test_a_scaler_that_is_off_changes_nothing():
    (model, run), (other, plain) = bound(**NEEDY[4]), bound(**NEEDY[4])
    by_run_and_scaler(model, run, torch.amp.GradScaler("cpu", enabled=False))
    by_run(other, plain)
    assert torch.equal(model.weight, other.weight)
    assert run.num_steps == 1


def test_unscaling_before_the_step_is_not_done_twice():
    scaler = torch.amp.GradScaler("cpu", **SCALER)
    (model, run), (other, plain) = bound(**NEEDY[0]), bound(**NEEDY[0])
    loss = loss_of(model)
    scaler.scale(loss).backward()
    scaler.unscale_(run.optimizer)
    run.step(loss, scaler=scaler)
    by_run(other, plain)
    assert torch.equal(model.weight, other.weight)


def test_losses_of_closures_count_once_for_the_stopper_whether_or_not_the_host_records_them():
    means = []
    for records in (False, True):
        model, run = bound(stopper=metaopt.StopperConfiguration("prechelt", {"criterion": "pq"}))
        for _ in range(3):
            if records:
                run.record_loss(loss_of(model))
            by_closure(model, run)
        means.append(run.state_dict()["losses"])
    assert means[0] == means[1]
    assert means[0]["count"] == 3


@pytest.mark.parametrize("settings", [NEEDY[0], NEEDY[4]], ids=name_of)
def test_a_loss_that_was_recorded_comes_before_the_closures(settings):
    """A host that accumulates gradients returns the last batch's loss from the closure."""
    ends = []
    for share in (1, 100):
        model, run = bound(**settings)
        for _ in range(3):
            run.record_loss(loss_of(model))
            run.optimizer.step(lambda model=model, run=run, share=share: backward(model, run) / share)
            run.scheduler.step()
        ends.append(model.weight.detach().clone())
    assert torch.equal(*ends)


def steps_of(optimizer, controller):
    """Hooks on an optimizer of somebody else's, with its scheduler; all three have to be kept."""
    spec = current_registry().get(metaopt.ControllerSpec, controller)
    values = {name: distribution.default for name, distribution in spec.space.items()}
    supplies = PLAIN_SIGNALS | GRADIENT_SIGNALS
    scheduler = ControllerScheduler(optimizer, spec, values, total_steps=10, supplies=supplies)
    judgement = Judgement(None, WrapperSignals(optimizer, {}))
    return (
        TrainingSteps(optimizer, scheduler, judgement, None, RunEvents(None, None), takes_loss=False),
        scheduler,
        judgement,
    )


@pytest.mark.parametrize("with_closure", [False, True])
def test_a_class_that_calls_its_bases_step_counts_once(with_closure):
    class Derived(torch.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    param = nn.Parameter(torch.ones(1))
    optimizer = Derived([param], lr=0.1)
    steps, scheduler, _judgement = steps_of(optimizer, "linear")
    param.grad = torch.ones(1)
    for _ in range(2):
        optimizer.step((lambda: param.sum().detach()) if with_closure else None)
        scheduler.step()
    assert steps.count == scheduler.last_epoch == 2


@pytest.mark.parametrize("controller", ["polyak", "cosine"])
def test_a_class_that_calls_its_closure_several_times_is_refused_where_signals_are_of_one_call(controller):
    param = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.LBFGS([param], lr=0.1, max_iter=3)
    steps, _scheduler, _judgement = steps_of(optimizer, controller)

    def closure():
        optimizer.zero_grad()
        loss = (param**2).sum()
        loss.backward()
        return loss

    if controller == "cosine":
        optimizer.step(closure)
        assert steps.count == 1
    else:
        with pytest.raises(metaopt.InputError, match="LBFGS calls its closure several times a step"):
            optimizer.step(closure)


def test_the_scheduler_moves_once_for_each_optimizer_step():
    model, run = bound()
    by_host(model, run)
    for _ in range(3):
        run.scheduler.step()
    assert run.scheduler.last_epoch == 1


def test_steps_count_whatever_becomes_of_the_scheduler_and_resume():
    model, run = bound()
    for _ in range(3):
        run.record_loss(backward(model, run))
        run.optimizer.step()
    assert (run.num_steps, run.scheduler.last_epoch) == (3, 0)
    _, resumed = bound()
    resumed.load_state_dict(run.state_dict())
    assert resumed.num_steps == 3


def test_a_checkpoint_without_a_count_has_the_schedulers():
    model, run = bound()
    for _ in range(3):
        by_run(model, run)
    state = run.state_dict()
    del state["num_steps"]
    _, resumed = bound()
    resumed.load_state_dict(state)
    assert resumed.num_steps == 3


@pytest.mark.parametrize("settings", NEEDY[:1], ids=name_of)
def test_copies_of_the_optimizer_step_without_the_run(settings):
    model, run = bound(**settings)
    by_run(model, run)
    copied = copy.deepcopy(run.optimizer)
    copied.step()
    assert run.num_steps == 1


def test_a_run_that_is_given_up_is_freed_at_once():
    model, run = bound(**NEEDY[0])
    by_run(model, run)
    gc.collect()
    scheduler = weakref.ref(run.scheduler)
    optimizer = weakref.ref(run.optimizer)
    gc.disable()
    try:
        del run
        assert scheduler() is None
        assert optimizer() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("loss", [torch.zeros(2), "much"])
def test_what_is_no_one_number_is_refused(loss):
    _, run = bound()
    with pytest.raises(metaopt.InputError, match="The loss of a step is one number"):
        run.record_loss(loss)


@pytest.mark.parametrize("settings", [{}, *NEEDY], ids=lambda s: name_of({"controller": "", **s}))
def test_the_step_by_which_torch_creates_state_is_none(settings):
    model, run = bound(**settings)
    by_run(model, run)
    saved = copy.deepcopy(run.optimizer.state_dict())
    other, resumed = bound(**settings)
    rates = [group["lr"] for group in resumed.optimizer.param_groups]
    for group in resumed.optimizer.param_groups:  # as torch.distributed.checkpoint.state_dict does
        group["lr"] = 0.0
        for param in group["params"]:
            param.grad = torch.zeros_like(param)
    before = copy.deepcopy(other.state_dict())
    resumed.optimizer.step(closure=None)
    resumed.optimizer.zero_grad()
    for group, rate in zip(resumed.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    assert resumed.num_steps == resumed.scheduler.last_epoch == 0
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())
    other.load_state_dict(model.state_dict())
    resumed.optimizer.load_state_dict(saved)
    resumed.scheduler.load_state_dict(run.scheduler.state_dict())
    resumed.load_observations(run.observations())
    for each in ((model, run), (other, resumed)):
        by_run(*each)
    assert torch.equal(model.weight, other.weight)
    assert resumed.num_steps == run.num_steps == 2


COPIES = pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))], ids=["copy", "pickle"]
)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, *NEEDY], ids=lambda s: name_of({"controller": "", **s}))
def test_a_second_run_of_the_same_parameters_leaves_the_first_alone(settings):
    model, first = bound(**settings)
    second = metaopt.Recipe.create(Configuration("adamw", "cosine")).bind(model, total_steps=10)
    by_host(model, second)
    assert (first.num_steps, second.num_steps) == (0, 1)
    steps = weakref.ref(first._steps)
    del first
    gc.collect()
    assert steps() is None, "nothing points at a run that was given up"


@pytest.mark.slow
@COPIES
@pytest.mark.parametrize("settings", [{}, *NEEDY], ids=lambda s: name_of({"controller": "", **s}))
def test_copies_of_the_optimizer_keep_no_run_alive(settings, copied):
    model, run = bound(**settings)
    by_run(model, run)
    optimizer = copied(run.optimizer)
    steps = weakref.ref(run._steps)
    del run
    gc.collect()
    assert steps() is None
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


@COPIES
@pytest.mark.parametrize("settings", [{}, {"optimizer": "schedulefree_adamw", "controller": "constant"}, *NEEDY])
def test_a_copy_of_a_finished_run_is_finished(settings, copied):
    model, run = bound(**settings)
    by_run(model, run)
    run.finish()
    other = copied(run)
    with pytest.raises(metaopt.InputError, match="This run is finished"):
        other.step(0.5)
    with pytest.raises(metaopt.InputError, match="This run is finished"):
        other.optimizer.step()


@COPIES
def test_a_copy_of_a_run_goes_on_by_itself(copied):
    torch.manual_seed(0)
    run = metaopt.Recipe.create(metaopt.Configuration("adamw", "wsd")).bind(nn.Linear(2, 1), total_steps=50)
    runs = run, copied(run)
    for each in runs:
        for _ in range(5):
            loss = each.model(torch.ones(1, 2)).square().sum()
            each.optimizer.zero_grad()
            loss.backward()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's scheduler takes the copied step for another one
                each.step(loss)
    assert [each.num_steps for each in runs] == [5, 5]
    assert torch.equal(*(each.model.weight for each in runs))


def test_stochastic_weight_averaging_of_torch_takes_over_the_schedule_and_steps_count_on():
    model, run = bound()
    averaged = swa_utils.AveragedModel(model)
    for _ in range(4):
        by_host(model, run)
    schedule = swa_utils.SWALR(run.optimizer, swa_lr=0.01, anneal_epochs=1)
    weights = []
    for _ in range(3):
        run.record_loss(backward(model, run))
        run.optimizer.step()
        schedule.step()
        averaged.update_parameters(model)
        weights.append(model.weight.detach().clone())
    assert run.num_steps == 7
    assert run.scheduler.last_epoch == 4
    assert run.optimizer.param_groups[0]["lr"] == 0.01
    torch.testing.assert_close(averaged.module.weight, sum(weights) / 3)
    assert run.observe(loss_of(averaged)).best_step == 7


@pytest.mark.parametrize("loss", [1j, torch.tensor(1j)])
def test_a_complex_loss_is_refused(loss):
    run = metaopt.Recipe.create(metaopt.Configuration("adamw", "greedy")).bind(torch.nn.Linear(1, 1))
    with pytest.raises(metaopt.InputError, match="The loss of a step is one real number, got"):
        run.step(loss)
