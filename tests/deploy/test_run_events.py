"""A run reports its steps, validations and decisions to `watch=`, whoever takes the steps."""

import copy
import warnings

import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, StopperConfiguration

INPUTS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def model():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def bound(network, watch, name="adamw", controller="cosine", stopper=None, **settings):
    recipe = metaopt.Recipe.create(Configuration(name, controller, **settings.pop("configuration", {})), stopper)
    return recipe.bind(network, total_steps=settings.pop("total_steps", 10), watch=watch, **settings)


def loss_of(network):
    loss = network(INPUTS).square().mean()
    loss.backward()
    return loss


def step(run, network, spoiled=False):
    run.optimizer.zero_grad()
    loss = loss_of(network)
    if spoiled:
        network.weight.grad.fill_(float("nan"))
    run.step(loss)
    return loss.item()


def kinds(events):
    return [event.kind for event in events]


def test_each_step_has_its_rate_its_loss_and_the_norm_that_the_guard_read():
    events, network = [], model()
    run = bound(network, events.append)
    rates, losses, norms = [], [], []
    for _ in range(4):
        rates.append(run.optimizer.param_groups[0]["lr"])
        losses.append(step(run, network))
        norms.append(float(nn.utils.get_total_norm([param.grad for param in network.parameters()])))
    assert [(event.source, event.kind, event.step) for event in events] == [("run", "step", n) for n in (1, 2, 3, 4)]
    assert [event.numbers["rate"] for event in events] == rates
    assert [event.numbers["loss"] for event in events] == losses
    assert [event.numbers["gradient_norm"] for event in events] == pytest.approx(norms)


def test_without_a_guard_no_norm_is_read_for_the_logger():
    events, network = [], model()
    run = bound(network, events.append, guard="off")
    step(run, network)
    assert events[0].numbers.keys() == {"rate", "loss"}


def test_hosts_that_step_by_themselves_are_reported_too():
    events, network = [], model()
    run = bound(network, events.append)
    for _ in range(2):
        run.optimizer.zero_grad()
        run.record_loss(loss_of(network))
        run.optimizer.step()
        run.scheduler.step()
    run.optimizer.zero_grad()
    run.optimizer.step(lambda: loss_of(network))
    run.scheduler.step()
    assert [(event.step, "loss" in event.numbers) for event in events] == [(1, True), (2, True), (3, True)]
    loss_of(network)
    run.optimizer.step()
    assert "loss" not in events[-1].numbers


def test_validations_the_best_of_them_and_why_it_stops_are_reported():
    events, network = [], model()
    run = bound(network, events.append, stopper=StopperConfiguration("patience", {"patience": 1}))
    for value in (2.0, 1.0, 3.0):
        step(run, network)
        decision = run.observe(value)
    told = [event for event in events if event.kind != "step"]
    assert kinds(told) == ["validation", "best", "validation", "best", "validation", "stop"]
    assert [event.numbers["metric"] for event in told if event.kind == "validation"] == [2.0, 1.0, 3.0]
    assert told[-1].why == decision.reason
    run.finish()
    run.finish()
    assert events[-1].why == "Finished after 3 steps, whose best validation was that of step 2."
    assert kinds(events).count("finish") == 1


def test_skipped_steps_are_reported_with_their_number():
    events, network = [], model()
    run = bound(network, events.append)
    step(run, network)
    with pytest.warns(RuntimeWarning, match="the step is skipped"):
        step(run, network, spoiled=True)
    step(run, network)
    (skipped,) = [event for event in events if event.kind == "skipped"]
    assert (skipped.step, skipped.numbers["skipped_by_guard"]) == (2, 1.0)
    assert skipped.why == "1 step was skipped by the guard, whose gradients overflow."


def test_steps_that_a_scaler_skips_are_reported_as_its():
    events, network = [], model()
    run = bound(network, events.append, implementation="native")
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for spoiled in (False, True, False):
        run.optimizer.zero_grad()
        loss = network(INPUTS).square().mean()
        scaler.scale(loss).backward()
        if spoiled:
            network.weight.grad.fill_(float("inf"))
        run.step(loss, scaler=scaler)
    assert [event.step for event in events if event.kind == "step"] == [1, 2]
    (skipped,) = [event for event in events if event.kind == "skipped"]
    assert (skipped.numbers, skipped.why) == (
        {"skipped_by_guard": 0.0, "skipped_by_scaler": 1.0},
        "1 step was skipped by the GradScaler.",
    )


def test_a_handover_is_reported_with_its_reason():
    events, network = [], model()
    run = metaopt.load_recipe("mlp_lopt").bind(network, total_steps=10, watch=events.append)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step(run, network)
        run.optimizer.zero_grad()
        loss_of(network)
        run.step(float("inf"))
        step(run, network)
    (event,) = [event for event in events if event.kind == "handover"]
    assert event.why.startswith("The learned rule 'mlp_lopt' is out of its depth at step 1: the training loss is inf.")


def test_groups_with_rates_of_their_own_are_told_apart():
    events, network = [], model()
    run = bound([{"params": [network.weight]}, {"params": [network.bias], "lr": 0.5}], events.append)
    step(run, network)
    assert events[0].numbers["rate"] == pytest.approx(1e-3)
    assert events[0].numbers["rate.2"] == pytest.approx(0.5)


def test_a_logger_that_fails_loses_neither_training_nor_its_result():
    network, plain = model(), model()

    def broken(event):
        raise ValueError("no connection")

    run, silent = bound(network, broken), bound(plain, None)
    with pytest.warns(RuntimeWarning, match="ValueError: no connection; it is not called again"):
        step(run, network)
    step(silent, plain)
    step(run, network)
    step(silent, plain)
    assert torch.equal(network.weight, plain.weight)


@pytest.mark.filterwarnings("ignore:Seems like `optimizer.step:UserWarning")  # which torch says of any copy
def test_copies_of_a_run_report_to_nobody():
    events, network = [], model()
    run = bound(network, events.append)
    copied = copy.deepcopy(run)
    step(copied, copied.model)
    assert events == []
    step(run, network)
    assert len(events) == 1


def test_what_cannot_be_called_is_refused_at_bind():
    with pytest.raises(metaopt.InputError, match=r"watch must be a function that takes a metaopt.Event"):
        bound(model(), "tensorboard")
