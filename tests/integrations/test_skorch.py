import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.recipe import Recipe
from tests.integrations.tiny import EPOCHS as TINY_EPOCHS
from tests.integrations.tiny import KINDS, equal, plain, recipe_of, same_weights

pytest.importorskip("skorch")

from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from skorch.dataset import ValidSplit

from metaopt.integrations.skorch import RecipeCallback
from tests.integrations.tiny_skorch import Scaled, Tiny, net_with, rows, split, split_data, valid_loss

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


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_equals_a_plain_loop_and_needs_no_plan(kind):
    expected, run = plain(recipe_of(kind), epochs=TINY_EPOCHS, **KINDS[kind][1])
    net = net_with(recipe_of(kind), bind=KINDS[kind][1]).fit(*rows())
    same_weights(net.module_.net, expected)
    own = net.optimizer_.run
    assert own.num_steps == own.scheduler.last_epoch == own.scheduler.horizon == TINY_EPOCHS * 6
    assert (own.best_step, own.best_value) == (run.best_step, pytest.approx(run.best_value, rel=1e-6))


def test_the_plan_is_that_of_the_training_split_under_cross_validation():
    plans = []

    class Notes(Callback):
        def on_train_end(self, net, **_):
            plans.append((net.batch_size, net.optimizer_.run.scheduler.horizon))

    inputs, targets = rows()
    net = net_with(recipe_of("cosine"), [Notes()], train_split=ValidSplit(4))
    scores = cross_val_score(net, inputs, targets, cv=3, scoring="neg_mean_squared_error", error_score="raise")
    assert np.isfinite(scores).all()
    assert plans == [(8, 9)] * 3  # three epochs of 24 of 32 rows, in batches of 8
    plans.clear()
    grid = {"batch_size": [8, 12], "callbacks__RecipeCallback__total_steps": [None, 50]}
    GridSearchCV(net, grid, cv=3, scoring="r2", refit=False, error_score="raise").fit(inputs, targets)
    assert set(plans) == {(8, 9), (8, 50), (12, 6), (12, 50)}


def test_a_plan_that_is_given_comes_first():
    net = net_with(total_steps=100).fit(*rows())
    assert net.optimizer_.run.scheduler.horizon == 100


@pytest.mark.parametrize("kind", ["cosine", "averaged"])
def test_parameters_of_the_criterion_train_and_come_back(kind, tmp_path):
    net = net_with(recipe_of(kind), criterion=Scaled).fit(*rows())
    assert net.criterion_.scale.item() != 0.0
    run = net.optimizer_.run
    assert valid_loss(net) == pytest.approx(run.best_value, rel=1e-6)
    net.save_params(f_params=tmp_path / "p.pt", f_criterion=tmp_path / "c.pt", f_optimizer=tmp_path / "o.pt")
    again = net_with(recipe_of(kind), criterion=Scaled).initialize()
    again.load_params(f_params=tmp_path / "p.pt", f_criterion=tmp_path / "c.pt", f_optimizer=tmp_path / "o.pt")
    assert equal(again.criterion_.state_dict(), net.criterion_.state_dict())


def test_scores_that_predict_again_see_averages():
    def r2(net, X, y):
        return r2_score(split_data().y, net.predict(split_data().X))

    scoring = EpochScoring(r2, name="again", use_caching=False, on_train=True)
    for callbacks in (lambda net: net.callbacks, lambda net: net.callbacks[::-1]):
        net = net_with(recipe_of("averaged"), [scoring])
        net.callbacks = callbacks(net)
        net.fit(*rows())
        variance = np.var(split_data().y)
        expected = [1 - loss / variance for loss in net.history[:, "valid_loss"]]
        np.testing.assert_allclose(net.history[:, "again"], expected, rtol=1e-4)


def test_nothing_else_may_set_rates_or_take_steps():
    with pytest.raises(metaopt.InputError, match="LRScheduler sets the rates"):
        net_with(callbacks=[LRScheduler()]).fit(*rows())

    class Two(NeuralNetRegressor):
        def initialize_optimizer(self):
            super().initialize_optimizer()
            self.other_ = torch.optim.SGD(self.module_.parameters(), lr=0.1)

    with pytest.raises(metaopt.InputError, match="several optimizers, optimizer, other"):
        Two(Tiny, callbacks=[RecipeCallback("default")], verbose=0).fit(*rows())


def test_a_clone_and_a_net_of_a_pipeline_begin_anew():
    with pytest.raises(AttributeError, match="no run before"):
        RecipeCallback("default").run  # noqa: B018
    net = net_with("default").fit(*rows())
    other = clone(net)
    assert not other.initialized_
    other.fit(*rows())
    assert equal(net.module_.state_dict(), other.module_.state_dict())
    assert clone(dict(net.callbacks_)["RecipeCallback"]).recipe == "default"


def test_without_a_validation_set_the_last_averages_stay():
    with pytest.warns(UserWarning, match="No finite 'valid_loss' was ever observed"):
        warned = net_with(recipe_of("averaged"), train_split=None).fit(*rows())
    quiet = net_with(recipe_of("averaged"), train_split=None, restore_best=False).fit(*rows())
    averaged = net_with(recipe_of("averaged"), restore_best=False).fit(*rows())
    for net in (warned, quiet):
        assert equal(net.module_.state_dict(), averaged.module_.state_dict())


class Accumulating(NeuralNetRegressor):
    """As skorch's documentation accumulates gradients."""

    def train_step(self, batch, **fit_params):
        step = self.train_step_single(batch, **fit_params)
        if len(self.history[-1, "batches"]) % 2 == 0:
            self.optimizer_.run.record_loss(step["loss"])
            self.optimizer_.step()
            self.optimizer_.zero_grad()
        return step


@pytest.mark.parametrize("kind", ["cosine", "polyak"])
def test_a_net_may_take_its_steps_by_itself(kind):
    callback = RecipeCallback(recipe_of(kind), total_steps=9)
    settings = {"criterion": nn.MSELoss, "batch_size": 8, "max_epochs": TINY_EPOCHS, "verbose": 0}
    net = Accumulating(Tiny, callbacks=[callback], train_split=split(), **settings).fit(*rows())
    assert callback.run.num_steps == callback.run.scheduler.last_epoch == 9
    assert net.optimizer_.run.best_step > 0
