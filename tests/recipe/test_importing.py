"""Weights in the format of a rule's authors become a recipe, or are refused in one sentence."""

import hashlib

import msgpack
import numpy as np
import pytest
import torch

import metaopt
from metaopt.plugin.registry import Registry


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


def test_names_and_numbers_of_states_are_both_taken(tmp_path):
    document = scheduler()
    (tmp_path / "named.state").write_bytes(flax(document))
    document["lstm_init_state"] = dict(zip("01", document["lstm_init_state"].values(), strict=True))
    (tmp_path / "numbered.state").write_bytes(flax(document))
    named, numbered = (
        metaopt.import_recipe("celo_adam", tmp_path / f"{states}.state") for states in ("named", "numbered")
    )
    assert named.configuration.optimizer == "celo_adam"
    assert all(torch.equal(named.theta[name], weights) for name, weights in numbered.theta.items())


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


def test_the_recipe_records_the_file_it_is_from(tmp_path):
    path = tmp_path / "celo.state"
    path.write_bytes(flax(scheduler()))
    recipe = metaopt.import_recipe("celo_adam", str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert recipe.provenance["imported"] == {"file": "celo.state", "sha256": digest}


def test_a_rule_that_takes_no_weights_of_others_names_those_that_do(tmp_path):
    with pytest.raises(
        metaopt.InputError, match=r"'adamw' takes no weights of others; those that do: celo, celo_adam\."
    ):
        metaopt.import_recipe("adamw", tmp_path / "celo.state")


def test_the_rule_is_looked_up_in_the_registry_that_was_given(tmp_path):
    with pytest.raises(metaopt.PluginError, match="There is no optimizer 'celo'"):
        metaopt.import_recipe("celo", tmp_path / "celo.state", registry=Registry())
