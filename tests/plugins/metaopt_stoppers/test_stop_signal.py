import math

import pytest
import torch
from torch import nn

import metaopt
from metaopt_learned._shared import schedule_network
from metaopt_stoppers.stop_signal import STOP_SIGNAL


def stop(stop_at, *values, **settings):
    return stop_at(STOP_SIGNAL, [math.nan] * len(values), signals=[{"stop": value} for value in values], **settings)


def test_it_stops_once_the_schedule_is_sure(stop_at):
    assert stop(stop_at, 0.1, 0.9, 0.91) == 3
    assert stop(stop_at, 0.1, 0.9, 0.91, p=0.05) == 1
    assert stop(stop_at, 0.9, 0.2, 0.5, 0.9, window=2, p=0.6) == 4
    assert stop(stop_at, math.nan, None, 0.95, window=3) == 3
    assert stop(stop_at, math.nan, None) is None


def said(stop):
    theta = schedule_network.init_theta({}, torch.Generator().manual_seed(0), {"hidden_size": 3})
    theta["stop.bias"] = torch.tensor(stop)
    return theta


def recipe(wrappers, stop=-6.0):
    configuration = metaopt.Configuration("sgd", wrappers=wrappers)
    stopper = metaopt.StopperConfiguration("stop_signal")
    return metaopt.Recipe.create(configuration, stopper=stopper, theta=said(stop) if wrappers else None)


def one_step(run, model):
    loss = model(torch.ones(4, 3)).square().mean()
    loss.backward()
    run.step(loss)


@pytest.mark.parametrize("wrapper", ["learned_schedule", "hyper_controller"])
@pytest.mark.parametrize(("logit", "stops"), [(3.0, True), (2.0, False)])
def test_a_run_asks_the_schedule(wrapper, logit, stops):
    model = nn.Linear(3, 1)
    run = recipe((wrapper,), logit).bind(model, total_steps=10)
    one_step(run, model)
    decision = run.observe(1.0)
    assert decision.stop is stops
    assert ("stop_signal" in decision.reason) is stops


def test_before_the_first_step_and_without_a_schedule_the_signal_is_missing():
    # Before the first step nothing can stop, so that nothing is asked for.
    assert not recipe(("learned_schedule",)).bind(nn.Linear(3, 1), total_steps=10).observe(1.0).stop
    model = nn.Linear(3, 1)
    run = recipe(()).bind(model, total_steps=10)
    one_step(run, model)
    with pytest.raises(metaopt.InputError, match="requires stop"):
        run.observe(1.0)
    assert run.observe(1.0, stop=0.95).stop
