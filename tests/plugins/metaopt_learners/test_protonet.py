import pytest
import torch
import torch.nn.functional as F

from metaopt.learners import one_hot
from metaopt_learners.protonet import fit, predict

GENERATOR = torch.Generator().manual_seed(0)
SUPPORT = torch.randn(7, 5, generator=GENERATOR)
TARGETS = torch.tensor([2, 0, 1, 1, 0, 1, 2])
QUERIES = torch.randn(4, 5, generator=GENERATOR)


def logits(**hparams):
    hparams = {"distance": "euclidean", "temperature": 1.0, **hparams}
    return predict(fit(SUPPORT, one_hot(TARGETS, 3, torch.float32), {}, hparams), QUERIES, {}, hparams)


def means():
    return torch.stack([SUPPORT[number == TARGETS].mean(0) for number in range(3)])


def test_it_is_a_softmax_over_squared_distances_to_class_means():
    """Equation 2 of the paper, point by point."""
    distances = torch.stack([((query - means()) ** 2).sum(1) for query in QUERIES])
    assert torch.allclose(logits().softmax(1), (-distances).exp() / (-distances).exp().sum(1, keepdim=True), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 4.0])
def test_cosines_are_divided_by_the_temperature(temperature):
    cosines = F.cosine_similarity(QUERIES.unsqueeze(1), means().unsqueeze(0), dim=2)
    assert torch.allclose(logits(distance="cosine", temperature=temperature), cosines / temperature, atol=1e-5)
