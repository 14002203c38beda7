import shutil
from pathlib import Path

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy import StopperConfiguration, averages
from metaopt.recipe import Recipe

transformers = pytest.importorskip("transformers")

from metaopt.integrations.transformers import RecipeTrainer  # noqa: E402


def recipe_of(*names, stopper=None, **settings):
    return Recipe.create(Configuration(*names, **settings), stopper)


#: One recipe for each kind of signal.
KINDS = {
    "plan": recipe_of("adamw", "cosine", hparams={"adamw.lr": 0.01}),
    "averages": recipe_of("schedulefree_adamw", hparams={"schedulefree_adamw.lr": 0.01}),
    "averaged": recipe_of("adamw", "constant", wrappers=("averaged",), hparams={"adamw.lr": 0.01}),
    "learned loss": recipe_of("nadamw", "constant", wrappers=("learned_schedule",)),
    "greedy loss": recipe_of("adamw", "greedy", hparams={"adamw.lr": 0.01}),
    "polyak loss": recipe_of("sgd", "polyak"),
    "metric": recipe_of("adamw", "plateau", hparams={"adamw.lr": 0.1}),
    "gradients": recipe_of("adamw", "hypergradient", hparams={"adamw.lr": 0.01}),
    "learned rule": recipe_of("mlp_lopt", "constant"),
    "roles": recipe_of("adamw", "cosine", roles={"matrix": {"optimizer": "muon"}}),
}


def plain_loop(model, run, training_rows, validation_rows, batch_of, order, accumulation=1):
    """What a Trainer does, by hand."""
    validation = batch_of(validation_rows)

    def validate():
        with run.evaluating(), torch.no_grad():
            run.observe(model(**validation).loss, epoch=run.num_steps / 4)

    validate()
    for step, rows in enumerate(order):
        model.train()
        batch = batch_of([training_rows[row] for row in rows])
        run.optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        run.step(loss)
        if step % 4 == 3:
            validate()
