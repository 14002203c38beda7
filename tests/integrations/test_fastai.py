import warnings

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.stopping.configuration import StopperConfiguration
from tests.integrations.tiny import AVERAGING, EPOCHS, KINDS, loaders, loss_of, network, recipe_of, same_weights

pytest.importorskip("fastai", reason="fastai is not installed: pip install fastai")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it still uses torch.jit
    from fastai.callback.fp16 import MixedPrecision
    from fastai.callback.tracker import SaveModelCallback
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner

    from metaopt.integrations.fastai import RecipeCallback

pytestmark = pytest.mark.filterwarnings("default")  # fastai's own warnings are nobody's errors


def learner(folder):
    train, validation = (DataLoader(loader.dataset, bs=loader.batch_size, device="cpu") for loader in loaders())
    return Learner(DataLoaders(train, validation, device="cpu"), network(), nn.MSELoss(), path=folder)


def fit(folder, recipe, callbacks=(), epochs=EPOCHS, **keywords):
    learn = learner(folder)
    callback = RecipeCallback(recipe, **keywords)
    with learn.no_bar(), learn.no_logging():
        learn.fit(epochs, cbs=[callback, *callbacks])
    return learn, callback.recipe_run


def plain(kind, **bind):
    net, (train, validation) = network(), loaders()
    run = recipe_of(kind).bind(net, total_steps=EPOCHS * len(train), batch_size=8, **bind)
    for _ in range(EPOCHS):
        for batch in train:
            run.optimizer.zero_grad()
            loss = loss_of(net, batch)
            loss.backward()
            run.step(loss)
        with run.evaluating(), torch.no_grad():
            value = loss_of(net, next(iter(validation)))
        run.observe(value)
    run.restore_best()
    return net, run


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_equals_a_plain_loop(kind, tmp_path):
    expected, run = plain(kind, **KINDS[kind][1])
    learn, own = fit(tmp_path, recipe_of(kind), **KINDS[kind][1])
    same_weights(learn.model, expected)
    assert own.num_steps == own.scheduler.horizon == run.num_steps
    assert own.best_value == pytest.approx(run.best_value, rel=1e-6)


@pytest.mark.parametrize("kind", AVERAGING)
def test_what_another_callback_saves_as_best_is_what_was_scored(kind, tmp_path):
    saved = SaveModelCallback(fname="best")
    learn, run = fit(tmp_path, recipe_of(kind), [saved], **KINDS[kind][1])
    (loss,) = learn.load("best").validate()
    assert loss == pytest.approx(run.best_value, rel=1e-6)


def test_the_stopper_ends_the_fit_and_the_next_one_begins_anew(tmp_path):
    recipe = recipe_of("cosine", StopperConfiguration("budget", {"fraction": 0.5}))
    learn, run = fit(tmp_path, recipe, epochs=4)
    assert run.num_steps == 12
    callback = RecipeCallback("default")
    with learn.no_bar(), learn.no_logging():
        learn.fit(2, cbs=callback)
    assert callback.recipe_run.num_steps == 12


def test_what_cannot_serve_is_refused_by_name(tmp_path):
    with pytest.raises(metaopt.InputError, match="recorder has no 'val_loss'"):
        fit(tmp_path, recipe_of("cosine"), monitor="val_loss")
    with pytest.raises(metaopt.InputError, match="MixedPrecision steps"):
        fit(tmp_path, recipe_of("cosine"), [MixedPrecision()])
