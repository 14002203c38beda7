"""Weights that others trained become recipes."""

from pathlib import Path

import pytest
import torch
from torch import nn

import metaopt

PRETRAINED = Path(__file__).resolve().parents[3].parent / "shared" / "pretrained" / "celo"
needs_weights = pytest.mark.skipif(not PRETRAINED.is_dir(), reason="the weights ../shared/pretrained/celo are absent")


@needs_weights
@pytest.mark.parametrize("name", ["celo", "celo_adam"])
def test_the_authors_checkpoints_become_recipes_that_train(run, tmp_path, name):
    done = run("import", "celo", PRETRAINED / f"{name}.theta.state", "--out", tmp_path / "recipe")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{name} with 35,")
    assert name in run("show", tmp_path / "recipe").out

    recipe = metaopt.load_recipe(tmp_path / "recipe")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    inputs = torch.randn(64, 6)
    targets = inputs.sum(1, keepdim=True).sin()
    bound = recipe.bind(model, total_steps=200)
    losses = []
    for _ in range(200):
        bound.optimizer.zero_grad()
        loss = (model(inputs) - targets).square().mean()
        loss.backward()
        bound.step(loss)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


def test_what_cannot_be_imported_is_said_on_one_line(run, tmp_path):
    done = run("import", "adamw", "x.state", "--out", tmp_path / "r")
    assert (done.code, done.err.strip()) == (
        2,
        "error: 'adamw' takes no weights of others; those that do: celo, celo_adam.",
    )
    done = run("import", "celo", "x.state", "--out", tmp_path / "r")
    assert (done.code, done.err.strip()) == (2, "error: There is no file x.state.")
    assert not (tmp_path / "r").exists()
