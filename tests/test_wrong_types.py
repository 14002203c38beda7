"""What users call first refuses values of another type in one sentence that repeats what it was given."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, InputError, Recipe

NO_TEXT = [3, None, 1.5, True, b"default", [], {}, object()]


def model():
    return nn.Linear(2, 1)


def optimizer():
    return torch.optim.SGD(model().parameters(), lr=0.1)


def recipe():
    return Recipe.create(Configuration("sgd"))


def run():
    return recipe().bind(model())


def support():
    return torch.ones(4, 2), torch.ones(4, 1)


CALLS = {
    "load_recipe": lambda value: metaopt.load_recipe(value),
    "load_portfolio": lambda value: metaopt.load_portfolio(value),
    "load_corpus": lambda value: metaopt.load_corpus(value),
    "read_image_folder": lambda value: metaopt.read_image_folder(value),
    "recipe.save": lambda value: recipe().save(value),
    "evaluate": lambda value: metaopt.evaluate(value, "starter"),
    "tune": lambda value: metaopt.tune(value),
    "meta_train": lambda value: metaopt.meta_train(value, "sinusoids"),
    "create_optimizer": lambda value: metaopt.create_optimizer(value, model()),
    "create_scheduler": lambda value: metaopt.create_scheduler(value, optimizer(), total_steps=10),
    "create_stopper": lambda value: metaopt.create_stopper(value),
    "Recipe.create": lambda value: Recipe.create(value),
}
OTHERS = {
    "create_optimizer of": lambda value: metaopt.create_optimizer("sgd", value),
    "create_scheduler of": lambda value: metaopt.create_scheduler("cosine", value, total_steps=10),
    "a stopper": lambda value: Recipe.create(Configuration("sgd"), value),
    "batch_size": lambda value: recipe().bind(model(), batch_size=value),
    "keep_best": lambda value: recipe().bind(model(), keep_best=value),
    "bind": lambda value: recipe().bind(value),
    "compile": lambda value: recipe().bind(model(), compile=value),
    "maximize": lambda value: metaopt.create_optimizer("sgd", model(), maximize=value),
    "scaler": lambda value: run().step(1.0, scaler=value),
    "update_scaler": lambda value: run().step(1.0, scaler=torch.amp.GradScaler("cpu"), update_scaler=value),
    "loss": lambda value: run().record_loss(value),
    "examples of a loss": lambda value: run().record_loss(1.0, value),
    "metric": lambda value: run().observe(value),
    "a signal": lambda value: run().observe(1.0, epoch=value),
    "an unknown signal": lambda value: run().observe(1.0, epochs=value),
    "examples of a metric": lambda value: run().observe(1.0, value),
    "finish": lambda value: run().finish(best=value),
    "load_state_dict": lambda value: run().load_state_dict(value),
    "adapt with": lambda value: metaopt.adapt(model(), value, support(), num_steps=1),
    "load_initialization": lambda value: recipe().load_initialization(value),
}


@pytest.mark.parametrize("value", NO_TEXT, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_name_and_no_path_is_refused(name, value):
    with pytest.raises(InputError) as raised:
        CALLS[name](value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["", b"sgd", object()], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_object_of_the_type_is_refused(name, value):
    with pytest.raises(InputError) as raised:
        OTHERS[name](value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", CALLS)
def test_an_empty_name_is_refused(name):
    with pytest.raises(InputError):
        CALLS[name]("")


def test_the_sentence_says_what_is_wanted_and_what_came():
    with pytest.raises(InputError) as raised:
        metaopt.load_recipe(3)
    assert str(raised.value) == "A recipe is named by text or a pathlib.Path, got 3."
