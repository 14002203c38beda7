import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.learners import Backbone, Comparison
from metaopt.meta.estimators.comparing import Classifying, Comparing, is_learned, labelled_source
from tests.learners.conftest import digit_episodes, digit_task, learner, mlp
from tests.meta.conftest import Blobs

CPU = torch.device("cpu")


def comparing(name="protonet", task=None, **hparams):
    task, assembly = task or digit_task(), learner(name, **hparams)
    backbone = Backbone(task.build(0), task.examples[0][:2], None, assembly.meta_values["batch_norm"])
    return Comparing(task, Comparison(assembly.learner, assembly.meta_values, backbone), CPU)


def theta_of(estimator, classes=0):
    return estimator.comparison.init_theta(torch.Generator().manual_seed(0), classes)


def test_the_gradient_is_that_of_the_papers_loss_on_torchs_own_model():
    """−log softmax of minus squared distances to class means, by autograd through `nn.Module`."""
    task = digit_task(episodes_per_iteration=1)
    estimator = comparing(task=task)
    model = task.build(0).train()
    theta = theta_of(estimator)
    estimate, _ = estimator.estimate(theta, {}, torch.Generator().manual_seed(3))
    support, targets, queries, wanted = (
        part[0] for part in task.sample("train", 1, torch.Generator().manual_seed(3)).tensors
    )
    features = model[:-1](torch.cat([support, queries]))
    means = torch.stack([features[: len(support)][targets == number].mean(0) for number in range(2)])
    loss = F.cross_entropy(-torch.cdist(features[len(support) :], means).square(), wanted)
    loss.backward()
    assert torch.allclose(estimate.objective, loss, atol=1e-5)
    for name, param in model.named_parameters():
        if name.startswith("9."):
            continue  # the head
        assert torch.allclose(estimate.gradient[f"backbone.{name}"], param.grad, atol=1e-4), name
    for name, buffer in model.named_buffers():
        assert torch.allclose(estimate.running[f"running.{name}"].float(), buffer.float(), atol=1e-5), name


def test_episodes_of_meta_training_are_as_wide_as_asked_or_as_can_be():
    widths = []
    for ways in (0, 3, 60):
        estimator = comparing(ways=ways)
        widths.append(int(estimator._drawn(torch.Generator().manual_seed(0)).support_targets.max()) + 1)
    assert widths == [2, 3, 4]


def test_the_same_generator_gives_the_same_estimate_with_dropout():
    def dropped():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Dropout(0.5), nn.Linear(16, 2))

    estimator = comparing(task=digit_task(dropped))
    one, other = (estimator.estimate(theta_of(estimator), {}, torch.Generator().manual_seed(5))[0] for _ in range(2))
    assert torch.equal(one.objective, other.objective)


def test_evaluations_have_no_dropout_and_move_no_statistics():
    estimator = comparing()
    theta = theta_of(estimator)
    before = {name: value.clone() for name, value in theta.items()}
    episodes = estimator.task.evaluated_episodes("test")
    one, other = (estimator.metrics(theta, episodes, 1) for _ in range(2))
    assert one.shape == (8,)
    assert torch.equal(one, other)
    assert all(torch.equal(theta[name], value) for name, value in before.items())


def test_features_are_trained_on_examples_of_all_classes():
    task = digit_task(mlp)
    estimator = Classifying(comparing("baseline", task, batch=16))
    theta = theta_of(estimator.judged, 4)
    estimate, _ = estimator.estimate(theta, {}, torch.Generator().manual_seed(0))
    assert bool(estimate.gradient["classes.weight"].abs().sum(1).all()), "each class is in the loss"
    assert estimator.metrics(theta, task.evaluated_episodes("test"), 1).shape == (8,)


def test_running_statistics_are_not_learned():
    assert not is_learned("running.1.running_mean", torch.zeros(2))
    assert is_learned("backbone.1.weight", torch.zeros(2))


def test_episodes_alone_have_no_classes():
    task = digit_task(episodes=Blobs())
    with pytest.raises(
        metaopt.InputError, match="'baseline' needs the classes that episodes are drawn from, and 'Blobs'"
    ):
        labelled_source(task, "'baseline'")
    assert labelled_source(digit_task(), "it").trained_classes == 4


def check(**changes):
    estimator = comparing(task=digit_task(**changes))
    estimator.check(theta_of(estimator))


def test_what_fails_says_in_which_task():
    check()
    vague = comparing(task=dataclasses.replace(digit_task(), loss=lambda output, targets: output))
    with pytest.raises(metaopt.InputError, match="Task 'digits': the loss must be a 0-d tensor"):
        vague.check(theta_of(vague))
    with pytest.raises(
        metaopt.InputError, match="Task 'digits': 'protonet' tells classes apart, and the query targets are"
    ):
        check(episodes=Fractions(digit_episodes()))


class Fractions:
    """Query targets that are no class numbers."""

    fingerprint = "fractions"

    def __init__(self, source):
        self.source = source

    def sample(self, partition, count, generator):
        episodes = self.source.sample(partition, count, generator)
        return metaopt.Episodes(*episodes.tensors[:3], episodes.query_targets.float())
