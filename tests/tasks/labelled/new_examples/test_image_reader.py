"""Later images become what the training images became."""

import json

import pytest
import torch

from metaopt.errors import InputError
from metaopt.tasks.labelled.new_examples.image_reader import ImageReader
from metaopt.tasks.labelled.new_examples.prepared import example_reader
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.task import task_of_folder
from tests.tasks.example_folders import write_classes, write_image

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def made(folder, **settings):
    splits = task_of_folder(folder, "images", LabelledSettings(**settings)).task.splits
    return splits, example_reader(splits.source, splits.source.own[0])


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_inputs_are_those_of_training(tmp_path, mode):
    write_classes(tmp_path, "ab", each=10, mode=mode)
    splits, reader = made(tmp_path)
    rows = reader.read(tmp_path)
    assert list(rows.cells.file)[:2] == ["a/0.png", "a/1.png"]
    torch.testing.assert_close(rows.inputs[splits.source.own[1]], splits.validation.inputs, rtol=0, atol=0)


def test_other_sizes_and_colours_become_the_same(tmp_path):
    write_classes(tmp_path / "train", "ab", each=5)
    _, reader = made(tmp_path / "train")
    write_image(tmp_path / "new" / "large.png", 3, (40, 30), "RGB")
    assert reader.read(tmp_path / "new").inputs.shape == (1, 1, 8, 8)


def test_it_goes_through_json(tmp_path):
    write_classes(tmp_path, "ab", each=5, mode="RGB")
    _, reader = made(tmp_path, width=2.0)
    again = ImageReader.from_json(json.loads(json.dumps(reader.to_json())))
    assert again == reader
    shapes = [[tuple(part.shape) for part in each.fresh_model().parameters()] for each in (reader, again)]
    assert shapes[0] == shapes[1]


def test_damaged_images_are_named(tmp_path):
    write_classes(tmp_path, "ab", each=5)
    _, reader = made(tmp_path)
    for name in ("a/0.png", "b/0.png"):
        (tmp_path / name).write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"0.png' \(it is no image that Pillow knows\) cannot be read \(and 1 more\)"):
        reader.read(tmp_path)
