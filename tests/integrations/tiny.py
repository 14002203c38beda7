"""A training of a few dozen parameters, in a plain loop and for Lightning."""

import contextlib
import io
import logging

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import metaopt
from metaopt.configuration import Configuration, Role
from metaopt.recipe import Recipe

EPOCHS, BATCHES = 3, 6
#: One of each kind: what the host has to supply, and what is in the parameters when it validates and saves.
KINDS = {
    "cosine": (Configuration("adamw", "cosine", hparams={"adamw.lr": 0.03}), {}),
    "schedulefree": (Configuration("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.03}), {}),
    "schedulefree as a rule": (
        Configuration("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.03}),
        {"implementation": "rule"},
    ),
    "averaged": (Configuration("adamw", "wsd", wrappers=("averaged",), hparams={"adamw.lr": 0.03}), {}),
    "learned_schedule": (Configuration("nadamw", "constant", wrappers=("learned_schedule",)), {}),
    "greedy": (Configuration("adamw", "greedy"), {}),
    "polyak": (Configuration("sgd", "polyak"), {}),
    "hypergradient": (Configuration("adamw", "hypergradient"), {}),
    "plateau": (Configuration("adamw", "plateau", hparams={"plateau.patience": 1, "adamw.lr": 0.1}), {}),
    "mlp_lopt": (None, {}),
    "muon for matrices": (Configuration("adamw", "cosine", roles={"matrix": Role("muon")}), {}),
}
AVERAGING = ["schedulefree", "schedulefree as a rule", "averaged"]


def recipe_of(kind, stopper=None):
    configuration = KINDS[kind][0]
    if configuration is None:
        return metaopt.load_recipe(kind).with_stopper(stopper)
    return Recipe.create(configuration, stopper)


def data():
    inputs = torch.randn(48 + 16, 4, generator=torch.Generator().manual_seed(1))
    targets = (inputs[:, :1] * inputs[:, 1:2]).tanh() + 0.5 * inputs[:, 2:3]
    return inputs, targets


def loaders(batch_size=8):
    inputs, targets = data()
    train = DataLoader(TensorDataset(inputs[:48], targets[:48]), batch_size=batch_size)
    return train, DataLoader(TensorDataset(inputs[48:], targets[48:]), batch_size=16)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))


def loss_of(net, batch):
    return nn.functional.mse_loss(net(batch[0]), batch[1])


def validate(run, net, batches):
    with run.evaluating(), torch.no_grad():
        return run.observe(loss_of(net, next(iter(batches))))


def plain(recipe, epochs=EPOCHS, before_step=lambda net: None, **bind):
    """What every host has to equal: a validation before the first step and after each epoch, the best weights last."""
    net, (train, validation) = network(), loaders()
    run = recipe.bind(net, total_steps=epochs * len(train), batch_size=8, **bind)
    validate(run, net, validation)
    for _ in range(epochs):
        for batch in train:
            run.optimizer.zero_grad()
            loss = loss_of(net, batch)
            loss.backward()
            before_step(net)
            run.step(loss)
        if validate(run, net, validation).stop:
            break
    run.restore_best()
    return net, run


@contextlib.contextmanager
def silent():
    """Lightning says what it does, on both streams."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def same_weights(first, second, rtol=1e-6, atol=1e-7):
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, second.state_dict()[name], rtol=rtol, atol=atol)


def equal(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())
