"""N-way K-shot episodes: nothing leaks, nothing repeats, what cannot be is refused by name."""

import numpy as np
import pytest
import torch

import metaopt
from metaopt import ClassEpisodes


def arrays(classes=20, each=8):
    """Images whose pixels tell class and number."""
    labels = np.repeat(np.arange(classes), each)
    numbers = np.tile(np.arange(each), classes)
    images = np.stack([labels, numbers], axis=1).reshape(-1, 1, 1, 2).astype(np.float32)
    return images, labels


def episodes(**settings):
    return ClassEpisodes.from_arrays(*arrays(), **{"queries": 3, "evaluated_queries": 2, **settings})


def seen(source, partition, count=200):
    drawn = source.sample(partition, count, torch.Generator().manual_seed(0))
    both = torch.cat([drawn.support_inputs, drawn.query_inputs], dim=1)
    return drawn, both.reshape(count, -1, 2)


def test_no_class_is_in_two_partitions():
    source = episodes(n_way=3)
    classes = {name: set(seen(source, name)[1][:, :, 0].flatten().tolist()) for name in source.partitions}
    assert {name: len(found) for name, found in classes.items()} == {"train": 13, "validation": 3, "test": 4}
    assert not classes["train"] & classes["validation"]
    assert not classes["train"] & classes["test"]
    assert not classes["validation"] & classes["test"]


def test_no_image_is_in_support_and_queries_at_once():
    _, both = seen(episodes(k_shot=2, n_way=3), "train")
    for one in both:
        assert len({tuple(row) for row in one.tolist()}) == len(one)


def test_targets_follow_the_classes():
    drawn, _ = seen(episodes(n_way=3), "train", 5)
    for row in range(5):
        by_target = {}
        for images, targets in (
            (drawn.support_inputs[row], drawn.support_targets[row]),
            (drawn.query_inputs[row], drawn.query_targets[row]),
        ):
            for image, target in zip(images.flatten(1), targets.tolist(), strict=True):
                assert by_target.setdefault(target, float(image[0])) == float(image[0])
        assert len(set(by_target.values())) == 3


def test_turned_images_are_further_classes_in_meta_training_alone():
    images = torch.zeros(6 * 8, 1, 4, 4, dtype=torch.uint8)
    images[:, :, 0, 1] = 255  # one bright pixel tells the quarter turn
    source = ClassEpisodes.from_arrays(
        images,
        np.repeat(np.arange(6), 8),
        split=([0, 1], [2, 3], [4, 5]),
        n_way=2,
        queries=1,
        evaluated_queries=1,
        rotations=True,
    )
    drawn = source.sample("train", 300, torch.Generator().manual_seed(0))
    places = drawn.support_inputs.flatten(2).argmax(2)
    assert set(places.flatten().tolist()) == {1, 7, 14, 8}
    assert drawn.support_inputs.max() == 1.0
    tested = source.sample("test", 100, torch.Generator().manual_seed(0))
    assert set(tested.support_inputs.flatten(2).argmax(2).flatten().tolist()) == {1}
    # Support and query of one class are turned alike.
    assert torch.equal(drawn.query_inputs.flatten(2).argmax(2), places)


def test_a_torch_dataset_will_do():
    images, labels = arrays()
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    source = ClassEpisodes.from_dataset(dataset, queries=3, evaluated_queries=2, n_way=3)
    assert source.fingerprint == episodes(n_way=3).fingerprint


def test_classes_may_be_of_different_sizes():
    labels = ["a"] * 4 + ["b"] * 9 + ["c"] * 5 + ["d"] * 4 + ["e"] * 4 + ["f"] * 4
    images = torch.arange(30.0).reshape(30, 1)
    source = ClassEpisodes.from_arrays(
        images, labels, split=(["a", "b"], ["c", "d"], ["e", "f"]), n_way=2, queries=3, evaluated_queries=3
    )
    drawn = source.sample("train", 100, torch.Generator().manual_seed(0))
    assert set(drawn.query_inputs.flatten().tolist()) == set(range(13))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"k_shot": 6}, r"Class '\d+' \(train\) has 8 images; an episode needs 9: 6 to adapt to and 3 queries"),
        ({"n_way": 9}, r"The validation partition has 3 classes, too few for 9-way episodes"),
        ({"n_way": 0}, r"n_way must be a positive whole number, got 0"),
        ({"split": (0.9, 0.2, 0.1)}, r"sum to 1 at most, got \[0.9, 0.2, 0.1\]"),
        (
            {"split": ([0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [9, 10, 11, 12, 13])},
            r"Class '4' is in both train and validation",
        ),
        ({"split": ([0], [1], [99])}, r"The split names the class 99, which no image has"),
        ({"split": (0.5, 0.5)}, r"A split has three parts"),
    ],
)
def test_what_cannot_be_is_refused(settings, match):
    with pytest.raises(metaopt.InputError, match=match):
        episodes(**settings)


def test_one_class_is_too_few():
    with pytest.raises(metaopt.InputError, match="The train partition has 1 classes, too few for 5-way episodes"):
        ClassEpisodes.from_arrays(torch.zeros(9, 1), [0] * 9, split=(1.0, 0.0, 0.0))


def squares():
    """Random 3×3 images, ten classes of four."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 1, 3, 3), generator=generator, dtype=torch.uint8)
    settings = {"n_way": 2, "k_shot": 1, "queries": 2, "evaluated_queries": 2, "rotations": True}
    return ClassEpisodes.from_arrays(images, np.repeat(np.arange(10), 4), (0.4, 0.3, 0.3), **settings)


def test_episodes_of_meta_training_can_be_wider_than_others():
    source = squares()
    assert source.trained_classes == 16, "four classes in four turns"
    wide = source.sample_wide(16, 3, torch.Generator().manual_seed(0))
    assert wide.support_inputs.shape == (3, 16, 1, 3, 3)
    assert int(wide.query_targets.max()) == 15
    for ways in (1, 17):
        with pytest.raises(metaopt.InputError, match=f"can have 2 to 16 classes, as many as there are, got {ways}"):
            source.sample_wide(ways, 1, torch.Generator())


def test_labelled_images_are_of_the_class_that_is_said_and_turned_ones_of_others():
    source = squares()
    classes = source.partitions["train"]
    images, labels = source.sample_labelled(200, torch.Generator().manual_seed(0))
    assert set(labels.tolist()) == set(range(16))
    for image, label in zip(images, labels.tolist(), strict=True):
        number, turns = label % 4, label // 4
        own = classes.images[4 * number : 4 * number + 4].float() / 255
        assert any(torch.equal(torch.rot90(image, -turns, dims=(-2, -1)), known) for known in own)
