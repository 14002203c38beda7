"""scikit-learn's digits, flat or as images."""

import pytest
import torch
from sklearn.datasets import load_digits

from metaopt_corpora.digits import SmallCNN, digits_splits


def test_images_and_rows_are_the_same_numbers():
    flat, images = digits_splits(), digits_splits(as_images=True)
    assert images.train.inputs.shape == (1097, 1, 8, 8)
    for one, other in ((flat.train, images.train), (flat.validation, images.validation), (flat.test, images.test)):
        assert torch.equal(one.inputs, other.inputs.flatten(1))
        assert torch.equal(one.targets, other.targets)


def test_every_image_is_in_one_split_with_its_grey_levels_from_minus_one_to_one():
    splits = digits_splits()
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [1097, 300, 400]
    together = torch.cat([torch.cat([part.inputs, part.targets[:, None]], dim=1) for part in parts])
    data = load_digits()
    expected = torch.cat([torch.from_numpy(data.data) / 8 - 1, torch.from_numpy(data.target)[:, None]], dim=1).float()
    assert sorted(together.tolist()) == sorted(expected.tolist())
    assert float(together[:, :64].min()) == -1
    assert float(together[:, :64].max()) == 1


@pytest.mark.parametrize("count", [1, 5])
def test_the_convolutional_network_is_small_and_says_ten_classes(count):
    network = SmallCNN()
    assert network(torch.zeros(count, 1, 8, 8)).shape == (count, 10)
    assert sum(param.numel() for param in network.parameters()) == 80 + 876 + 490
