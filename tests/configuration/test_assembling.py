"""What roles cannot have is refused in a sentence."""

import dataclasses

import pytest

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.plugin.registry import current_registry


@pytest.fixture
def still(normed):
    """Two optimizers that lack what roles could change."""
    space = {"scale": metaopt.Float(0.1, 10.0, default=1.0)}
    metaopt.register(dataclasses.replace(normed, name="no_rate", space=space, takes="all"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"roles": {"vector": {"optimizer": "normed"}}}, r"'normed' takes tensors of two dimensions and more, and the"),
        ({"roles": {"matrix": {"optimizer": "no_rate", "rate": 2.0}}}, r"'no_rate' has no lr for the rate of the role"),
        ({"roles": {"matrix": {"optimizer": "normed", "weight_decay": 0.1}}}, r"'normed' has no weight_decay for the"),
        (
            {"optimizer": "no_rate", "depth_decay": 0.5},
            r"'no_rate' has no lr for the rates of roles and layers to",
        ),
        ({"hparams": {"adamw.lr": 0}, "depth_decay": 0.5}, r"follow adamw.lr, which is 0; give it a rate above 0"),
        (
            {"optimizer": "celo", "roles": {"head": {"rate": 0.5}}},
            r"'celo' is learned for all parameters of a model at",
        ),
        ({"roles": {"matrix": {"optimizer": "celo"}}}, r"'celo' is learned for all parameters of a model at once"),
        ({"roles": {"matrix": {"optimizer": "loin"}}}, r"There is no optimizer 'loin'; did you mean 'lion'"),
        ({"hparams": {"lion.lr": 0.1}}, r"'lion.lr' belongs to none of \['adamw', 'constant'\]"),
        ({"roles": {"matrix": {"optimizer": "lion"}}, "hparams": {"lion.lr": -1.0}}, r"lion.lr must be in"),
        (
            {"roles": {"matrix": {"optimizer": "prodigy"}}, "wrappers": ("dog",)},
            r"'dog' sets the learning rate, and",
        ),
    ],
)
def test_what_roles_cannot_have_is_refused(fields, message, still):
    with pytest.raises(metaopt.InputError, match=message):
        assemble(Configuration(**{"optimizer": "adamw", **fields}), current_registry())


def test_a_wrapper_that_sets_the_rate_makes_every_lr_a_factor():
    roles = {"matrix": {"optimizer": "sgd"}, "head": {"rate": 0.5}}
    assembly = assemble(Configuration("adamw", wrappers=("dog",), roles=roles), current_registry())
    assert [assembly.values_at(role)["lr"] for role in ("matrix", "head", "vector")] == [1.0, 0.5, 1.0]
