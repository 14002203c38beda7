"""Training images are changed by what a generator draws, and by nothing else."""

import pytest
import torch

from metaopt.tasks.images.augmentation import CHANGES, Augmentation, flip, light, rotate, shift


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_generator_changes_alike_and_another_otherwise(name):
    images = torch.randn(20, 3, 12, 10)
    before = images.clone()
    changed = CHANGES[name](images, generator())
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert torch.equal(images, before), "the data stay as they are"
    torch.manual_seed(5)
    assert torch.equal(changed, CHANGES[name](images, generator()))
    assert not torch.equal(changed, CHANGES[name](images, generator(1)))


def test_shifts_move_by_whole_pixels_up_to_an_eighth():
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8, 8] = 1
    moved = shift(image.expand(200, 1, 16, 16), generator())
    rows, columns = moved.flatten(1).argmax(1) // 16, moved.flatten(1).argmax(1) % 16
    assert set(rows.tolist()) == set(columns.tolist()) == {6, 7, 8, 9, 10}
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(200))


def test_half_of_the_images_are_flipped():
    images = torch.arange(4.0).expand(1000, 1, 1, 4)
    flipped = flip(images, generator())[:, 0, 0, 0] == 3
    assert 400 < int(flipped.sum()) < 600


def test_turned_discs_stay_where_they_are_and_lines_do_not():
    places = torch.arange(31) - 15
    disc = ((places[:, None] ** 2 + places**2) < 100).float()[None, None]
    assert (rotate(disc.expand(50, 1, 31, 31), generator()) - disc).abs().mean() < 0.02
    line = (places[:, None] == places[None, :] * 0).float()[None, None]
    turned = rotate(line.expand(50, 1, 31, 31), generator())
    ends = turned[:, 0, :, -1].argmax(1) - 15
    assert 2 <= ends.abs().max() <= 4  # 15 · tan 15° = 4.02


def test_contrast_and_brightness_change_by_up_to_a_fifth():
    changed = light(torch.zeros(500, 1, 1, 1), generator()).flatten()
    assert 0.18 < changed.abs().max() <= 0.2
    changed = light(torch.tensor([0.0, 1.0]).expand(500, 1, 1, 2), generator())
    contrast = changed[..., 1] - changed[..., 0]
    assert 0.8 <= contrast.min() < 0.83
    assert 1.17 < contrast.max() <= 1.2


def test_several_are_made_one_after_the_other():
    images = torch.randn(5, 1, 8, 8)
    draws = generator()
    assert torch.equal(Augmentation(("shift", "flip"))(images, generator()), flip(shift(images, draws), draws))
