"""The network of the few-shot papers."""

import pytest
import torch
from torch import nn

from metaopt.tasks.images.conv4 import Conv4


@pytest.mark.parametrize("strided", [True, False])
@pytest.mark.parametrize("size", [16, 28, 84])
def test_images_of_any_size_from_sixteen_on_have_logits(strided, size):
    assert Conv4(5, width=4, strided=strided)(torch.zeros(3, 1, size, size)).shape == (3, 5)


def test_it_has_the_papers_numbers_of_weights():
    # Omniglot: a 3×3 convolution from 1 and three from 64 channels with biases, four batch norms, a linear layer.
    count = sum(parameter.numel() for parameter in Conv4(20).parameters())
    assert count == (9 * 64 + 64) + 3 * (9 * 64 * 64 + 64) + 4 * 128 + (64 * 20 + 20) == 113_236


def test_halving_is_by_stride_or_by_pooling():
    strided, pooled = Conv4(5), Conv4(5, strided=False)
    assert {layer.stride for layer in strided.features if isinstance(layer, nn.Conv2d)} == {(2, 2)}
    assert {layer.stride for layer in pooled.features if isinstance(layer, nn.Conv2d)} == {(1, 1)}
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in pooled.features) == 4
    images = torch.zeros(1, 1, 32, 32)
    assert strided.features(images).shape == pooled.features(images).shape == (1, 64, 2, 2)


def test_channels_are_those_of_the_images():
    assert Conv4(5, channels=3, width=8)(torch.zeros(2, 3, 32, 32)).shape == (2, 5)
