import pytest
import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.plugin import current_registry
from tests.learners.conftest import learner


def test_the_learner_stands_for_all_plugins():
    assembly = learner("protonet", temperature=0.5)
    assert [spec.name for spec in assembly.specs] == ["protonet"]
    assert assembly.title == "protonet"
    assert assembly.values_of(assembly.learner)["temperature"] == 0.5
    assert assembly.meta is None
    assert not assembly.requires


def test_its_rule_leaves_parameters_as_they_are():
    rule, params = learner("protonet").rule, {"w": torch.ones(2)}
    assert rule.start(params, {}) == params
    updates, _ = rule.update({"w": torch.ones(2)}, rule.init(params, {}, {}, None), params, {}, {}, None)
    assert torch.equal(updates["w"], torch.zeros(2))


def test_unknown_learners_and_hyperparameters_are_refused():
    with pytest.raises(metaopt.PluginError, match="There is no learner 'protnet'; did you mean 'protonet'"):
        assemble(Configuration(learner="protnet"), current_registry())
    with pytest.raises(metaopt.InputError, match="protonet has no hyperparameter 'lr'"):
        learner("protonet", lr=0.1)
    with pytest.raises(metaopt.InputError, match="belongs to none of"):
        assemble(Configuration(learner="protonet", hparams={"adamw.lr": 0.1}), current_registry())
