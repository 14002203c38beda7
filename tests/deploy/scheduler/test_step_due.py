"""A run's scheduler follows its optimizer."""

import copy

import pytest
import torch

import metaopt
from metaopt.deploy.scheduler.step_due import StepDue


def test_each_step_is_followed_once():
    due = StepDue()
    assert not due.follow()
    due.count += 1
    assert [due.follow(), due.follow()] == [True, False]
    due.count += 2
    assert [due.follow(), due.follow()] == [True, False]


def test_a_scheduler_whose_optimizer_never_steps_is_told_once():
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", "cosine"))
    run = recipe.bind(torch.nn.Linear(1, 1), total_steps=10)
    for _ in range(99):
        run.scheduler.step()
    with pytest.warns(UserWarning, match=r"stepped 100 times in a row without a step of run\.optimizer"):
        run.scheduler.step()
    run.scheduler.step()
    assert run.scheduler.last_epoch == 0


@pytest.mark.filterwarnings("ignore:Seems like `optimizer.step")  # torch, of any copy
def test_a_copy_moves_by_itself():
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", "cosine"))
    run = recipe.bind(torch.nn.Linear(1, 1), total_steps=10)
    copied = copy.deepcopy(run.scheduler)
    copied.optimizer.step()
    copied.step()
    assert (copied.last_epoch, run.scheduler.last_epoch) == (1, 0)
