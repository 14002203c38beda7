"""A scheduler by its controller's name takes the controller's hyperparameters, and says which there are."""

import pytest
import torch

import metaopt
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.registry import Registry, current_registry


def sgd(lr=1.0):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def rates(optimizer, scheduler, num_steps):
    used = []
    for _ in range(num_steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


def test_it_drives_the_optimizer_by_its_hyperparameters():
    optimizer = sgd()
    scheduler = metaopt.create_scheduler("linear", optimizer, total_steps=4, warmup=0.0)
    assert rates(optimizer, scheduler, 4) == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_it_follows_torchs_own():
    optimizer, torchs_optimizer = sgd(), sgd()
    scheduler = metaopt.create_scheduler("cosine", optimizer, total_steps=20, warmup=0.0)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(torchs_optimizer, 20)
    expected = rates(torchs_optimizer, torchs, 20)
    assert rates(optimizer, scheduler, 20) == pytest.approx(expected, abs=1e-9)


def test_a_name_is_looked_up_in_the_registry_that_was_given():
    registry = Registry()
    with pytest.raises(metaopt.PluginError, match="There is no controller 'linear'"):
        metaopt.create_scheduler("linear", sgd(), total_steps=4, registry=registry)
    registry.register(current_registry().get(ControllerSpec, "linear"))
    scheduler = metaopt.create_scheduler("linear", sgd(), total_steps=4, registry=registry, warmup=0.0)
    assert scheduler.get_last_lr() == [1.0]


def test_a_value_out_of_range_is_refused():
    with pytest.raises(metaopt.InputError, match="warmup"):
        metaopt.create_scheduler("linear", sgd(), total_steps=4, warmup=-1.0)


@pytest.mark.parametrize("total_steps", [None, 0, -3])
def test_a_plan_is_a_positive_number(total_steps):
    with pytest.raises((metaopt.InputError, metaopt.PluginError), match="total_steps"):
        metaopt.create_scheduler("linear", sgd(), total_steps=total_steps)
