"""What a host's module and checkpoints hold, and what training goes on from."""

import copy
import pickle

import pytest
import torch

from metaopt.integrations.training_point import SavedAverages, end_fit, train_on, training_weights
from tests.integrations.tiny import AVERAGING, KINDS, equal, loaders, loss_of, network, recipe_of, validate


def train(run, net, num_steps=6):
    for batch, _ in zip(loaders()[0], range(num_steps), strict=False):
        run.optimizer.zero_grad()
        loss = loss_of(net, batch)
        loss.backward()
        run.step(loss)


def trained(kind):
    net = network()
    run = recipe_of(kind).bind(net, total_steps=100, **KINDS[kind][1])
    train(run, net)
    return net, run


def weights(net):
    return {name: value.clone() for name, value in net.named_parameters()}


@pytest.mark.parametrize("kind", AVERAGING)
def test_a_modules_state_holds_averages_while_its_parameters_hold_the_training_weights(kind):
    net, run = trained(kind)
    before = weights(net)
    with run.evaluating():
        expected = weights(net)
    handle = net.register_state_dict_post_hook(SavedAverages(net, [run]))
    assert equal(expected, net.state_dict())
    assert equal(before, dict(net.named_parameters()))
    with run.evaluating():
        assert equal(expected, net.state_dict())
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert equal(before, copied.state_dict()), "a copy is nobody's run"
    handle.remove()
    assert equal(before, net.state_dict())


def test_without_averages_nothing_is_copied():
    net, run = trained("cosine")
    net.register_state_dict_post_hook(SavedAverages(net, [run]))
    state = net.state_dict()
    assert state["0.weight"].data_ptr() == net[0].weight.data_ptr()
    assert training_weights(run) == {}


@pytest.mark.parametrize("restore_best", [True, False])
@pytest.mark.parametrize("kind", ["cosine", *AVERAGING])
def test_a_fit_that_ended_goes_on_as_if_it_had_not(kind, restore_best):
    net, run = trained(kind)
    validate(run, net, loaders()[1])
    train(run, net)
    before = weights(net)
    replaced = end_fit(run, restore_best=restore_best, monitor="val_loss")
    ended = weights(net)
    with run.evaluating():
        assert equal(ended, dict(net.named_parameters()))
    train_on(run, run.observations(), replaced)
    assert equal(before, dict(net.named_parameters()))
    train(run, net)

    other, unbroken = trained(kind)
    validate(unbroken, other, loaders()[1])
    train(unbroken, other)
    train(unbroken, other)
    assert equal(weights(net), dict(other.named_parameters()))
    assert run.num_steps == unbroken.num_steps == 18


def test_a_metric_that_was_never_finite_is_told_and_the_averages_stay():
    net, run = trained("averaged")
    with run.evaluating():
        expected = weights(net)
    with pytest.warns(UserWarning, match="No finite 'val_loss' was ever observed"):
        end_fit(run, restore_best=True, monitor="val_loss")
    assert equal(expected, dict(net.named_parameters()))
    end_fit(run, restore_best=True, monitor=None)
    assert all(torch.isfinite(value).all() for value in net.parameters())
