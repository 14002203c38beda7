"""The small convolutional network takes images of any size and learns."""

import pytest
import torch
import torch.nn.functional as F

from metaopt.tasks.images.conv_net import ConvNet


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 32, 24), (1, 28, 28), (4, 5, 64), (1, 100, 7)])
def test_images_of_any_size_have_logits(shape):
    assert ConvNet(shape, 5)(torch.zeros(2, *shape)).shape == (2, 5)


def test_its_size_and_how_it_widens():
    # 5×5 from 1 to 8, 2×2 to 16 and to 32 with biases; 28 pixels become 14, 7 and (padded) 4, and 32·4·4 inputs of 10.
    count = sum(parameter.numel() for parameter in ConvNet((1, 28, 28), 10).parameters())
    assert count == (25 * 8 + 8) + (4 * 8 * 16 + 16) + (4 * 16 * 32 + 32) + (32 * 16 * 10 + 10)
    assert ConvNet((1, 28, 28), 10, 2.0).convolutions[0].out_channels == 16


def test_it_learns_where_a_spot_is():
    torch.manual_seed(0)
    labels = torch.arange(64) % 2
    images = 0.3 * torch.randn(64, 1, 12, 12)
    images[labels == 1, :, 2:5, 2:5] += 2
    model = ConvNet((1, 12, 12), 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert (model(images).argmax(1) == labels).float().mean() > 0.95
