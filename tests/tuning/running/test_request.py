"""What is wanted of a task, at the rates that laws give."""

import torch
from torch import nn

import metaopt
from metaopt.configuration import ANCHORED, Configuration
from metaopt.contracts import RateLaw
from metaopt.plugin import current_registry
from metaopt.tuning.running.request import Request, scale_at


def wide(width):
    return nn.Linear(1, width)


def fails(width):
    raise OSError("no such width")


def task(model=wide):
    part = metaopt.Split(torch.zeros(4, 1), torch.zeros(4, 1))
    space = {"width": metaopt.Int(1, 400, default=1)}
    return metaopt.Task(
        "lines", "lines", model, metaopt.Splits(part, part, part), nn.functional.mse_loss, space=space, num_steps=9
    )


def test_every_configuration_is_wanted_with_every_seed_once():
    one, other = Configuration("sgd"), Configuration("adamw")
    runs = Request(task(), (one, other, one), (0, 1, 0)).runs(current_registry())
    assert [(run[0].configuration.optimizer, run[1]) for run in runs] == [
        ("sgd", 0),
        ("adamw", 0),
        ("sgd", 1),
        ("adamw", 1),
    ]


def test_laws_are_resolved_for_the_model_that_own_values_make():
    configurations = [Configuration("adamw", rate_law={"adamw": RateLaw()}, values={"width": n}) for n in (1, 300)]
    (small, _), (large, _) = Request(task(), tuple(configurations), (0,)).runs(current_registry())
    assert large.rule_values["lr"] < small.rule_values["lr"]


def test_a_task_whose_code_fails_at_its_values_has_the_usual_scale():
    assert scale_at(task(fails), {"width": 3}, ANCHORED) is ANCHORED
    assert scale_at(task(), {}, ANCHORED) is ANCHORED
