import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import metaopt
from metaopt.deploy.stopping.configuration import StopperConfiguration
from tests.integrations.tiny import AVERAGING, EPOCHS, KINDS, data, recipe_of

os.environ.setdefault("KERAS_BACKEND", "torch")  # read when Keras is imported
keras = pytest.importorskip("keras", reason="keras is not installed: pip install keras")
if keras.backend.backend() != "torch":
    pytest.skip(f"Keras runs on {keras.backend.backend()}, not on torch", allow_module_level=True)

from metaopt.integrations.keras import RecipeCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own warnings are nobody's errors


def model():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    parts = [layers.Dense(6), layers.BatchNormalization(), layers.Activation("tanh"), layers.Dense(1)]
    built = keras.Sequential([keras.Input((4,)), *parts])
    built.compile(optimizer="sgd", loss="mse")
    return built


def fit(recipe, callbacks=(), epochs=EPOCHS, **keywords):
    built, callback = model(), RecipeCallback(recipe, **keywords)
    inputs, targets = (part.numpy() for part in data())
    built.fit(
        inputs[:48],
        targets[:48],
        batch_size=8,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        validation_data=(inputs[48:], targets[48:]),
        callbacks=[callback, *callbacks],
    )
    return built, callback.run


def plain(kind, **bind):
    built = model()
    inputs, targets = data()
    run = recipe_of(kind).bind(built, total_steps=EPOCHS * 6, **bind)
    best, weights = np.inf, []
    for _ in range(EPOCHS):
        for first in range(0, 48, 8):
            run.optimizer.zero_grad()
            loss = (built(inputs[first : first + 8], training=True) - targets[first : first + 8]).square().mean()
            loss.backward()
            run.step(loss)
        with run.evaluating(), torch.no_grad():
            value = (built(inputs[48:], training=False) - targets[48:]).square().mean().item()
            run.observe(value)
            if value < best:
                best, weights = value, built.get_weights()
    return weights, run


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_equals_a_plain_loop_statistics_included(kind):
    expected, run = plain(kind, **KINDS[kind][1])
    built, own = fit(recipe_of(kind), **KINDS[kind][1])
    for value, other in zip(built.get_weights(), expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6)
    assert own.num_steps == own.scheduler.horizon == run.num_steps
    assert own.best_value == pytest.approx(run.best_value, rel=1e-5)
    inputs, targets = (part.numpy() for part in data())
    assert built.evaluate(inputs[48:], targets[48:], verbose=0) == pytest.approx(own.best_value, rel=1e-5)
    assert isinstance(built.optimizer, keras.optimizers.SGD), "the model has its own optimizer again"


@pytest.mark.parametrize("kind", AVERAGING)
def test_what_another_callback_saves_as_best_is_what_was_scored(kind, tmp_path):
    path = tmp_path / "best.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_best_only=True, save_weights_only=True)
    built, run = fit(recipe_of(kind), [checkpoint], **KINDS[kind][1])
    built.load_weights(path)
    inputs, targets = (part.numpy() for part in data())
    assert built.evaluate(inputs[48:], targets[48:], verbose=0) == pytest.approx(run.best_value, rel=1e-5)


def test_the_stopper_ends_the_fit():
    _, run = fit(recipe_of("cosine", StopperConfiguration("budget", {"fraction": 0.5})), epochs=4)
    assert run.num_steps == 12


def test_another_backend_is_refused(tmp_path):
    code = (
        "import keras; keras.backend.backend = lambda: 'jax'\n"
        "from metaopt.integrations.keras import RecipeCallback; RecipeCallback('default')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"{metaopt.InputError.__name__}: Keras runs on 'jax': set KERAS_BACKEND=torch" in run.stderr
