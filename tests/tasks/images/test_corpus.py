"""A folder of images by class is a corpus of one few-shot task, as its settings say."""

import dataclasses

import numpy as np
import pytest
import torch

import metaopt
from metaopt.tasks.images.corpus import FILE_NAME, accuracy, load_image_folder

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.fixture
def folder(tmp_path):
    """Three parts of five classes with six grey images each."""
    for part in ("train", "val", "test"):
        for number in range(5):
            path = tmp_path / "shapes" / part / f"{part}_{number}"
            path.mkdir(parents=True)
            for place in range(6):
                Image.fromarray(np.full((8, 8), 10 * number + place, dtype=np.uint8)).save(path / f"{place}.png")
    return tmp_path / "shapes"


def test_settings_decide_on_task_and_model(folder):
    (folder / FILE_NAME).write_text(
        "[episodes]\nn_way = 3\nk_shot = 2\nqueries = 4\nsize = 16\nchannels = 1\nwidth = 4\nnum_steps = 6\n"
    )
    corpus = load_image_folder(folder)
    (task,) = corpus.tasks
    assert (corpus.name, task.name, task.family) == ("shapes", "shapes_3_way_2_shot", "shapes")
    assert (task.mode, task.num_steps, task.num_iterations) == ("max", 6, 4000)
    episodes = task.source.sample("train", 2, torch.Generator().manual_seed(0))
    assert episodes.support_inputs.shape == (2, 6, 1, 16, 16)
    assert episodes.query_inputs.shape == (2, 12, 1, 16, 16)
    assert task.build(0)(episodes.support_inputs[0]).shape == (6, 3)
    assert task.build(0).head.in_features == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[episodes]\nn_way = 0", "n_way must be a positive whole number, got 0"),
        ("[episodes]\nsize = true", "size must be a positive whole number, got True"),
        ("[episodes]\nwidth = 1.5", "width must be a positive whole number"),
        ("[episodes]\nrotations = 1", "rotations must be true or false, got 1"),
        ("[episodes]\nstrided = 1", "strided must be true or false, got 1"),
        ("[episodes]\nsplit = 1", "split must be 'random' or 'vinyals', got 1"),
        ("[episodes]\nsplit = 'vinyals'", "split is for Omniglot, which this folder does not hold"),
        ("[episodes]\nshots = 1", "unknown key 'shots'; known:"),
        ("[episodes", "cannot be read: .*; correct it or remove it"),
    ],
)
def test_settings_that_cannot_be_used_are_named(folder, text, message):
    (folder / FILE_NAME).write_text(text)
    with pytest.raises(metaopt.InputError, match=message):
        load_image_folder(folder)


def test_pooling_is_taken_where_it_is_asked_for(folder):
    (folder / FILE_NAME).write_text("[episodes]\nn_way = 3\nsize = 16\nwidth = 4\nstrided = false\n")
    kinds = [type(layer).__name__ for layer in load_image_folder(folder).tasks[0].build(0).features]
    assert kinds.count("MaxPool2d") == 4


@pytest.mark.parametrize("method", ["protonet", "maml"])
def test_mini_imagenets_layout_goes_all_the_way(tmp_path, method):
    """From a generated folder of its layout to a saved recipe that predicts."""
    generator = np.random.default_rng(0)
    (tmp_path / "mini" / "images").mkdir(parents=True)
    for part, classes in (("train", 4), ("val", 3), ("test", 3)):
        rows = ["filename,label"]
        for number in range(classes):
            colour = generator.integers(0, 256, 3)
            for place in range(6):
                name = f"n{part}{number:04}{place:08}.jpg"
                pixels = np.clip(colour + generator.integers(-20, 21, (20, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "mini" / "images" / name)
                rows.append(f"{name},n{part}{number:04}")
        (tmp_path / "mini" / f"{part}.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "mini" / FILE_NAME).write_text(
        "[episodes]\nn_way = 3\nk_shot = 1\nqueries = 4\nsize = 16\nwidth = 4\nnum_iterations = 4\n"
    )
    (task,) = metaopt.load_corpus(tmp_path / "mini")
    task = dataclasses.replace(task, num_evaluated=8, num_validations=1, episodes_per_iteration=2)
    metaopt.meta_train(method, [task]).recipe.save(tmp_path / "recipe")
    recipe = metaopt.load_recipe(tmp_path / "recipe")
    support, targets, queries, _ = (tensor[0] for tensor in task.evaluated_episodes("test", 1).tensors)
    assert queries.shape == (12, 3, 16, 16)
    assert metaopt.adapt(task.build(0), recipe, (support, targets))(queries).shape == (12, 3)


def test_accuracy_is_the_share_of_right_answers():
    output = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 1.0], [1.0, 0.0, 0.0]])
    assert accuracy(output, torch.tensor([0, 2, 1, 1])).item() == 0.75
