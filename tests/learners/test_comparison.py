import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts import Episodes
from metaopt.learners import CLASSES, Backbone, Comparison
from tests.learners.conftest import digit_episodes, digits, learner, mlp, small_net

NAMES = ["protonet", "matching_net", "relation_net", "baseline"]


def comparison(name, model=None, part=None, **hparams):
    assembly = learner(name, **hparams)
    backbone = Backbone(model or small_net(), digits()[0][:2], part, assembly.meta_values["batch_norm"])
    return Comparison(assembly.learner, assembly.meta_values, backbone)


def drawn(count, **settings):
    return digit_episodes(**settings).sample("test", count, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("statistics", ["running", "support", "batch"])
def test_episodes_side_by_side_are_as_one_by_one(name, statistics):
    compared = comparison(name, batch_norm=statistics)
    theta = compared.init_theta(torch.Generator().manual_seed(0))
    episodes = drawn(3, n_way=3, k_shot=2)
    together, _ = compared.logits(theta, episodes)
    alone = [
        compared.logits(theta, Episodes(*(tensor[row : row + 1] for tensor in episodes.tensors)))[0] for row in range(3)
    ]
    assert together.shape == (3, 15, 3)
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_predicts_as_whole_episodes_do(name):
    compared = comparison(name)
    theta = compared.init_theta(torch.Generator().manual_seed(0))
    episode = drawn(1, k_shot=3)
    support, targets, queries, _ = (tensor[0] for tensor in episode.tensors)
    kept = compared.keep(theta, support, targets, 2)
    assert torch.allclose(compared.predicted(kept, theta, queries), compared.logits(theta, episode)[0][0], atol=1e-4)


def test_support_set_and_queries_are_one_batch():
    sizes = []
    model = small_net()
    compared = comparison("protonet", model)
    assert compared.loop_reason is None
    compared.backbone.module[0].register_forward_pre_hook(lambda layer, args: sizes.append(len(args[0])))
    compared.logits(compared.backbone.weights, drawn(3), training=True)
    assert sizes == [3 * (2 + 10)]


def test_gradients_reach_backbone_embedding_and_own_weights():
    compared = comparison("matching_net", embedding=16, context=True)
    theta = compared.init_theta(torch.Generator().manual_seed(0))
    moved = {name: value.requires_grad_() for name, value in theta.items() if not name.startswith("running")}
    compared.logits(theta, drawn(2), training=True)[0].square().sum().backward()
    assert all(
        value.grad is not None and bool(value.grad.abs().sum() > 0) for name, value in moved.items() if "2." not in name
    )
    assert theta["embedding.weight"].shape == (16, 32)
    assert compared.shape == (16,)


def test_classes_have_logits_where_features_are_trained_on_them():
    compared = comparison("baseline")
    theta = compared.init_theta(torch.Generator().manual_seed(0), num_classes=5)
    assert theta[CLASSES].shape == (5, 32)
    logits, running = compared.class_logits(theta, digits()[0][:7])
    assert logits.shape == (7, 5)
    assert running


def test_float64_features_have_float64_weights():
    backbone = Backbone(mlp().double(), digits()[0][:2].double(), None, "running")
    assembly = learner("matching_net", context=True, embedding=16)
    theta = Comparison(assembly.learner, assembly.meta_values, backbone).init_theta(torch.Generator().manual_seed(0))
    assert {value.dtype for value in theta.values()} == {torch.float64}


def test_queries_of_another_size_are_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten())
    compared = comparison("protonet", model)
    theta = compared.backbone.weights
    kept = compared.keep(theta, digits()[0][:4], torch.tensor([0, 1, 0, 1]), 2)
    with pytest.raises(
        metaopt.InputError, match=r"features of shape \(32,\), and those of the support set have \(128,\)"
    ):
        compared.predicted(kept, theta, torch.zeros(3, 1, 4, 4))
