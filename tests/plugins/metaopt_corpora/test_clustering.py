"""Soft k-means and its score."""

import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from metaopt_corpora.clustering import SOFTNESS, adjusted_rand, cluster_splits, soft_k_means


@pytest.mark.parametrize("num_points", [20, 200])
def test_the_adjusted_rand_index_is_that_of_scikit_learn(num_points):
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        output = torch.randn(num_points, 5, generator=generator)
        labels = torch.randint(5, (num_points,), generator=generator)
        expected = adjusted_rand_score(labels.numpy(), output.argmax(dim=1).numpy())
        assert adjusted_rand(output, labels, 5).item() == pytest.approx(expected, abs=1e-6)


def test_names_of_clusters_do_not_matter():
    labels = torch.arange(30) % 3
    output = torch.nn.functional.one_hot((labels + 1) % 3, 3).float()
    assert adjusted_rand(output, labels, 3).item() == 1.0


def test_a_diverged_member_has_no_score():
    output = torch.full((30, 3), torch.nan)
    assert adjusted_rand(output, torch.arange(30) % 3, 3).isnan()


def test_the_loss_is_close_to_the_squared_distance_of_the_nearest():
    output = -torch.tensor([[1.0, 9.0], [16.0, 4.0]])
    assert soft_k_means(output, torch.zeros(2)).item() == pytest.approx(2.5, abs=SOFTNESS)


def test_every_cluster_is_in_every_split():
    splits = cluster_splits(5, 2, width=0.4)
    for split in (splits.train, splits.validation, splits.test):
        assert split.targets.unique().tolist() == [0, 1, 2, 3, 4]
