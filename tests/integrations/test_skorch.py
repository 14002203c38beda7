import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.recipe import Recipe

pytest.importorskip("skorch")

from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler

from metaopt.integrations.skorch import RecipeCallback

EPOCHS, BATCHES = 6, 12


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, inputs):
        return self.net(inputs)


@pytest.fixture(scope="module")
def digits():
    inputs, targets = load_digits(return_X_y=True)
    return (inputs / 16).astype(np.float32), targets


def net_of(**keywords):
    return NeuralNetClassifier(
        Network, criterion=nn.CrossEntropyLoss, max_epochs=EPOCHS, batch_size=128, verbose=0, **keywords
    )


@pytest.mark.parametrize("optimizer", ["adamw", "lion"])
def test_a_net_trains_with_a_recipes_optimizer_and_scheduler(optimizer, digits):
    recipe = Recipe.create(Configuration(optimizer, "one_cycle", hparams={f"{optimizer}.lr": 0.01}))
    runs = []

    def bound_optimizer(params, lr):
        runs.append(recipe.bind(params, total_steps=EPOCHS * BATCHES))
        return runs[-1].optimizer

    def bound_scheduler(optimizer, last_epoch):
        assert optimizer is runs[-1].optimizer
        return runs[-1].scheduler

    schedule = LRScheduler(policy=bound_scheduler, step_every="batch")
    net = net_of(optimizer=bound_optimizer, callbacks=[schedule])
    net.fit(*digits)
    assert runs[-1].num_steps == EPOCHS * BATCHES
    assert runs[-1].scheduler.get_last_lr()[0] < 1e-3 * runs[-1].scheduler.base_lrs[0]
    assert net.history[-1, "valid_acc"] > 0.88


def test_the_callback_validates_averages_observes_and_leaves_the_best_weights(digits):
    recipe = Recipe.create(Configuration("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.01}))
    callback = RecipeCallback(recipe, total_steps=EPOCHS * BATCHES)
    net = net_of(callbacks=[callback]).fit(*digits)
    run = net.callbacks_[-2][1].run
    assert run.num_steps == EPOCHS * BATCHES
    assert run.best_value == min(net.history[:, "valid_loss"])
    assert net.score(*digits) > 0.88


def test_the_callback_ends_the_fit_when_the_stopper_says_so(digits):
    recipe = Recipe.create(Configuration("adamw"), StopperConfiguration("budget", {"fraction": 0.5}))
    net = net_of(callbacks=[RecipeCallback(recipe, total_steps=EPOCHS * BATCHES)]).fit(*digits)
    assert len(net.history) == EPOCHS / 2


def test_patience_in_epochs_counts_the_nets(digits):
    # No improvement is as large as this: the validation before the first step stays the best.
    stopper = StopperConfiguration("patience", {"unit": "epochs", "patience": 2, "min_delta": 100.0})
    recipe = Recipe.create(Configuration("adamw"), stopper)
    net = net_of(callbacks=[RecipeCallback(recipe, total_steps=EPOCHS * BATCHES)]).fit(*digits)
    assert len(net.history) == 2


@pytest.mark.filterwarnings("ignore:.*planned steps brought no validation better")
@pytest.mark.parametrize("first", [True, False])
def test_a_module_that_training_made_worse_is_handed_back_as_it_was(first, digits):
    recipe = Recipe.create(Configuration("sgd", hparams={"sgd.lr": 300.0}))
    net = net_of(callbacks=[RecipeCallback(recipe, total_steps=EPOCHS * BATCHES, validate_first=first)]).fit(*digits)
    unchanged = all(
        torch.equal(value, Network().state_dict()[name]) for name, value in net.module_.state_dict().items()
    )
    assert (net.callbacks_[-2][1].run.best_step == 0) is first
    assert unchanged is first


def test_the_first_validation_changes_nothing_of_a_training_that_gains(digits):
    def fitted(first):
        recipe = Recipe.create(Configuration("adamw", hparams={"adamw.lr": 0.01}))
        callback = RecipeCallback(recipe, total_steps=EPOCHS * BATCHES, validate_first=first)
        torch.manual_seed(1)
        return net_of(callbacks=[callback], iterator_train__shuffle=True).fit(*digits)

    assert fitted(True).history[:, "train_loss"] == fitted(False).history[:, "train_loss"]


def test_a_stopper_may_end_a_fit_before_its_first_step(digits):
    recipe = Recipe.create(Configuration("adamw"), StopperConfiguration("target", {"target": 100.0}))
    net = net_of(callbacks=[RecipeCallback(recipe, total_steps=EPOCHS * BATCHES)]).fit(*digits)
    assert net.callbacks_[-2][1].run.num_steps == 0


def test_an_entry_that_is_not_in_the_history_is_named(digits):
    callback = RecipeCallback(Recipe.create(Configuration("adamw")), monitor="valid_lss")
    with pytest.raises(metaopt.InputError, match=r"history has no 'valid_lss'; it has .*'valid_loss'"):
        net_of(callbacks=[callback]).fit(*digits)
