import torch
import torch.nn.functional as F

from metaopt.learners import one_hot
from metaopt_learners._shared.closeness import class_means, closeness, cosines


def features(count, seed=0):
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


def test_means_are_of_each_class_whatever_its_number_of_examples():
    support, targets = features(6), torch.tensor([0, 1, 1, 2, 1, 0])
    means = class_means(support, one_hot(targets, 3, torch.float32))
    expected = torch.stack([support[targets == number].mean(0) for number in range(3)])
    assert torch.allclose(means, expected, atol=1e-6)


def test_maps_keep_their_shape():
    maps = torch.randn(4, 2, 3, 3)
    assert class_means(maps, one_hot(torch.tensor([0, 1, 0, 1]), 2, torch.float32)).shape == (2, 2, 3, 3)


def test_euclidean_closeness_is_minus_the_squared_distance():
    queries, points = features(4), features(3, 1)
    assert torch.allclose(closeness(queries, points, "euclidean"), -torch.cdist(queries, points).square(), atol=1e-5)


def test_cosines_are_torchs():
    queries, points = features(4), features(3, 1)
    expected = F.cosine_similarity(queries.unsqueeze(1), points.unsqueeze(0), dim=2)
    assert torch.allclose(cosines(queries, points), expected, atol=1e-6)
    assert torch.equal(closeness(queries, points, "cosine"), cosines(queries, points))
