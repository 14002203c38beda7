"""A state says which rule or class saved it, and goes on in no other."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy.state.saved_state import StateOrigin, class_title, is_of_rule, origin_of
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.registry import current_registry


def assembly_of(name, *wrappers):
    return assemble(Configuration(name, wrappers=wrappers), current_registry())


def spec_of(name):
    return current_registry().get(OptimizerSpec, name)


def saved_by(name, implementation, **options):
    model = nn.Linear(2, 1)
    return metaopt.create_optimizer(name, model, implementation=implementation, **options).state_dict()


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (StateOrigin("averaged(adamw)"), "the rule 'averaged(adamw)'"),
        (StateOrigin(None, frozenset({"adamw"})), "the class of adamw"),
        (StateOrigin(None, frozenset({"nadamw", "adamw"})), "the class of adamw or nadamw"),
        (StateOrigin(None), "another optimizer class"),
    ],
)
def test_an_origin_reads_as_part_of_a_sentence(origin, text):
    assert str(origin) == text


def test_a_state_says_itself_whose_it_is():
    assert origin_of(saved_by("adamw", "rule"), spec_of("sgd")) == StateOrigin("adamw")
    assert origin_of(saved_by("adamw", "native"), spec_of("sgd")) == StateOrigin(None, frozenset({"adamw"}))


def test_the_state_of_a_bare_class_is_known_by_its_hyperparameters():
    bare = torch.optim.Adagrad([torch.zeros(1, requires_grad=True)]).state_dict()
    assert origin_of(bare, spec_of("sgd")) == StateOrigin(None, frozenset({"adagrad"}))


def test_a_state_like_no_class_is_of_another():
    assert origin_of({"param_groups": [{"params": [0], "volume": 3}], "state": {}}, spec_of("sgd")) == StateOrigin(None)


def test_a_rule_and_its_class_go_on_from_each_other():
    assembly = assembly_of("adamw")
    assert is_of_rule(saved_by("adamw", "rule"), assembly, "adamw")
    assert not is_of_rule(saved_by("adamw", "native"), assembly, "adamw")


@pytest.mark.parametrize("implementation", ["rule", "native"])
def test_another_optimizers_state_is_refused(implementation):
    with pytest.raises(
        metaopt.InputError, match=r"saved by the (rule 'sgd'|class of sgd) and cannot continue as 'Mine'"
    ):
        is_of_rule(saved_by("sgd", implementation), assembly_of("adamw"), "Mine")


def test_a_wrapped_optimizer_is_another_than_the_bare_one():
    for implementation in ("rule", "native"):
        with pytest.raises(metaopt.InputError, match="with the same name and wrappers"):
            is_of_rule(saved_by("adamw", implementation), assembly_of("adamw", "averaged"), "averaged(adamw)")


def test_a_steered_class_has_the_title_of_its_wrapper_and_class():
    assert class_title(assembly_of("adamw", "dog")) == "dog(torch.optim.AdamW)"
    assert class_title(assembly_of("adamw")) is None
    assert class_title(assembly_of("mlp_lopt")) is None
