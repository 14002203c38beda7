"""Weights that others trained become recipes."""

from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch
from torch import nn

import metaopt

PRETRAINED = Path(__file__).resolve().parents[3].parent / "shared" / "pretrained" / "celo"
needs_weights = pytest.mark.skipif(not PRETRAINED.is_dir(), reason="the weights ../shared/pretrained/celo are absent")


def flax(document):
    """Bytes as flax writes them."""

    def array(value):
        return msgpack.ExtType(1, msgpack.packb((value.shape, value.dtype.name, value.tobytes())))

    return msgpack.packb(document, default=array)


def scheduler(hidden=4):
    generator = np.random.default_rng(0)

    def weights(*shape):
        return generator.normal(size=shape).astype(np.float32)

    return {
        "lstm_init_state": {"hidden": weights(1, hidden), "cell": weights(1, hidden)},
        "rnn_params": {
            "linear": {"w": weights(18, hidden), "b": weights(hidden)},
            "linear_1": {"w": weights(18, hidden), "b": weights(hidden)},
            "linear_2": {"w": weights(18, hidden), "b": weights(hidden)},
            "rnn": {"linear": {"w": weights(2 * hidden, 4 * hidden), "b": weights(4 * hidden)}},
            "step_size": {"w": weights(hidden, 1), "b": weights(1)},
        },
    }


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


def test_names_and_numbers_of_states_are_both_taken(tmp_path):
    document = scheduler()
    (tmp_path / "named.state").write_bytes(flax(document))
    document["lstm_init_state"] = dict(zip("01", document["lstm_init_state"].values(), strict=True))
    (tmp_path / "numbered.state").write_bytes(flax(document))
    named, numbered = (metaopt.import_recipe("celo_adam", tmp_path / f"{one}.state") for one in ("named", "numbered"))
    assert named.configuration.optimizer == "celo_adam"
    assert all(torch.equal(named.theta[name], one) for name, one in numbered.theta.items())


def broken_documents():
    other = scheduler()
    other["rnn_params"]["linear_3"] = {"w": np.ones((2, 2), np.float32)}
    wide = scheduler()
    wide["rnn_params"]["linear_1"]["w"] = np.ones((17, 4), np.float32)
    empty = scheduler()
    del empty["rnn_params"]["step_size"]
    infinite = scheduler()
    infinite["rnn_params"]["step_size"]["b"][:] = np.inf
    return {
        "holds 'rnn_params/linear_3/w', which Celo does not have": flax(other),
        r"'scheduler.mix.weight' have shape \(17, 4\), those of 'Celo' \(18, 4\)": flax(wide),
        "has no 'rnn_params/step_size/w': it is not one of Celo": flax(empty),
        "'scheduler.rate.bias' hold numbers that are not finite": flax(infinite),
        "holds no weights that can be read .* download it again": flax(scheduler())[:-100],
        r"holds no weights that can be read \(a list instead of named arrays\)": msgpack.packb([1, 2]),
        r"holds no weights that can be read \(note is a str, not an array\)": msgpack.packb({"note": "hello"}),
    }


@pytest.mark.parametrize("message", broken_documents())
def test_other_files_are_refused_in_one_sentence(tmp_path, message):
    path = tmp_path / "theta.state"
    path.write_bytes(broken_documents()[message])
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.import_recipe("celo", path)


def test_what_cannot_be_imported_is_said_on_one_line(run, tmp_path):
    done = run("import", "adamw", "x.state", "--out", tmp_path / "r")
    assert (done.code, done.err.strip()) == (
        2,
        "error: 'adamw' takes no weights of others; those that do: celo, celo_adam.",
    )
    done = run("import", "celo", "x.state", "--out", tmp_path / "r")
    assert (done.code, done.err.strip()) == (2, "error: There is no file x.state.")
    assert not (tmp_path / "r").exists()
