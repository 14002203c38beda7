"""What roles cannot have is refused in a sentence."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration, assemble, misfit, untaken
from metaopt.configuration.configuration import by_owner
from metaopt.plugin import OptimizerSpec, WrapperSpec, current_registry


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


ADAMW = current_registry().get(metaopt.OptimizerSpec, "adamw")
COSINE = current_registry().get(metaopt.ControllerSpec, "cosine")


def test_values_are_told_apart_by_the_plugins_name():
    owned = by_owner({"adamw.lr": 0.1, "cosine.warmup": 0.2}, [ADAMW, COSINE])
    assert owned == {"adamw": {"lr": 0.1}, "cosine": {"warmup": 0.2}}


def test_what_belongs_to_nobody_and_who_comes_twice_is_refused():
    with pytest.raises(metaopt.InputError, match=r"'sgd.lr' belongs to none of \['adamw'\]"):
        by_owner({"sgd.lr": 0.1}, [ADAMW])
    with pytest.raises(metaopt.InputError, match="comes more than once"):
        by_owner({}, [ADAMW, ADAMW])


def optimizer(name):
    return current_registry().get(OptimizerSpec, name)


def wrapper(name):
    return current_registry().get(WrapperSpec, name)


@pytest.mark.parametrize("name", ["averaged", "dog", "mechanic", "lookahead"])
def test_a_class_without_a_rule_takes_no_wrapper(name):
    alone = metaopt.optimizer_spec(torch.optim.Adamax)
    assert misfit(alone, []) is None
    expected = f"The wrapper '{name}' goes around a rule, and 'adamax' is a library's class without one; leave it out."
    assert misfit(alone, [wrapper(name)]) == expected


@pytest.mark.parametrize(
    ("name", "wrappers", "reason"),
    [
        ("adamw", ["averaged"], None),
        ("prodigy", ["mechanic"], None),
        ("prodigy", ["dog"], "The wrapper 'dog' sets the learning rate, and 'prodigy' its own; leave one out."),
        (
            "celo",
            ["learned_schedule"],
            "A recipe has one learned part, and celo and learned_schedule are; leave one out.",
        ),
    ],
)
def test_wrappers_that_cannot_go_around_an_optimizer(name, wrappers, reason):
    assert misfit(optimizer(name), [wrapper(around) for around in wrappers]) == reason


def test_an_optimizer_for_matrices_says_how_the_rest_is_trained(normed):
    shapes = {"w": torch.Size((2, 3)), "b": torch.Size((3,)), "scale": torch.Size(())}
    assert untaken(optimizer("adamw"), shapes) is None
    assert untaken(normed, {"w": shapes["w"]}) is None
    assert untaken(normed, shapes) == (
        "normed takes matrices, and the parameter 'b' (and 1 more) has the shape (3,); give the others to another "
        "optimizer, such as adamw with roles={'matrix': {'optimizer': 'normed'}}."
    )
