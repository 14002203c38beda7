import pytest
import torch
from torch import nn

import metaopt
from metaopt.meta.subject import subject_of
from tests.learners.conftest import digit_task, learner, mlp, small_net
from tests.meta.conftest import blob_task, learned

CPU = torch.device("cpu")


def subject(assembly, *tasks):
    return subject_of(assembly, tasks, 0, CPU, "off", 2**20)


def test_a_rule_and_a_learner_are_both_weights_with_an_estimator_a_task():
    rule = subject(learned("maml", inner_steps=2), blob_task())
    assert rule.spec.name == "maml"
    assert rule.num_steps == [2]
    assert len(rule.estimators(rule.first)) == 1
    compared = subject(learner("protonet"), digit_task(), digit_task(small_net))
    assert compared.spec.name == "protonet"
    assert len(compared.estimators(compared.first)) == 2
    assert {name.partition(".")[0] for name in compared.first} == {"backbone", "running"}


def test_what_is_not_learned_is_refused():
    with pytest.raises(metaopt.InputError, match="'adamw' is not learned: there is nothing to meta-train"):
        subject(learned("adamw"), blob_task())


def test_tasks_with_embeddings_of_different_sizes_are_refused():
    with pytest.raises(metaopt.InputError, match="'protonet' learns one embedding for all tasks, but"):
        subject(learner("protonet"), digit_task(mlp), digit_task(small_net))


def test_features_without_weights_are_refused():
    frozen = nn.Sequential(nn.Flatten(), nn.Linear(64, 5).requires_grad_(False), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(metaopt.InputError, match="'protonet' has nothing to learn here"):
        subject(learner("protonet"), digit_task(lambda: frozen))
    assert subject(learner("relation_net"), digit_task(lambda: frozen)).first, "it has weights of its own"


def test_features_are_trained_on_the_classes_of_one_task():
    with pytest.raises(
        metaopt.InputError, match="'baseline' trains features on the classes of one task, and there are 2"
    ):
        subject(learner("baseline"), digit_task(mlp), digit_task(mlp))


def test_a_backbone_that_gives_no_features_is_named_with_its_task():
    with pytest.raises(metaopt.InputError, match="Task 'digits': The model has no part 'encoder'"):
        subject(learner("protonet"), digit_task(features="encoder"))
