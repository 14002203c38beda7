import torch
import torch.nn.functional as F

from metaopt.learners import one_hot
from metaopt_learners._shared.cosine_head import classify, cross_entropy, predict

HPARAMS = {"scale": 10.0, "steps": 3, "rate": 0.1}


def test_logits_are_scaled_cosines():
    features, weights = torch.randn(4, 5), torch.randn(3, 5)
    expected = 10 * F.cosine_similarity(features.unsqueeze(1), weights.unsqueeze(0), dim=2)
    assert torch.allclose(classify(features, weights, HPARAMS), expected, atol=1e-5)
    assert torch.equal(predict({"weights": weights}, features, {}, HPARAMS), classify(features, weights, HPARAMS))


def test_with_equal_shots_the_loss_is_torchs_cross_entropy():
    features, weights, targets = torch.randn(6, 5), torch.randn(3, 5), torch.tensor([0, 1, 2, 2, 1, 0])
    ours = cross_entropy(features, weights, one_hot(targets, 3, torch.float32), HPARAMS)
    assert torch.allclose(ours, F.cross_entropy(classify(features, weights, HPARAMS), targets), atol=1e-6)


def test_classes_count_alike_whatever_their_number_of_examples():
    features, weights, targets = torch.randn(5, 5), torch.randn(2, 5), torch.tensor([0, 1, 1, 1, 1])
    ours = cross_entropy(features, weights, one_hot(targets, 2, torch.float32), HPARAMS)
    theirs = F.cross_entropy(classify(features, weights, HPARAMS), targets, weight=torch.tensor([1.0, 0.25]))
    assert torch.allclose(ours, theirs, atol=1e-6)
