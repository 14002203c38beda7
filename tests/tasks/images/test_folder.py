"""Folders of images in the layouts that few-shot data comes in."""

import os
from pathlib import Path

import numpy as np
import pytest

import metaopt
from metaopt.tasks.images.folder import is_image_folder, read_image_folder

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def draw(path, value, size=12, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size, size) if mode == "L" else (size, size, 3)
    Image.fromarray(np.full(shape, value, dtype=np.uint8), mode=mode).save(path)


def classes_under(folder, names, each=7, **how):
    for place, name in enumerate(names):
        for number in range(each):
            draw(folder / name / f"{number}.png", 10 * place + number, **how)


def test_train_val_and_test_folders_hold_folders_of_classes(tmp_path):
    for part, names in (("train", "abcde"), ("val", "fghij"), ("test", "klmno")):
        classes_under(tmp_path / part, names)
    assert is_image_folder(tmp_path)
    found = read_image_folder(tmp_path, size=6)
    assert {name: one.names for name, one in found.items()} == {
        "train": tuple("abcde"),
        "validation": tuple("fghij"),
        "test": tuple("klmno"),
    }
    assert found["train"].images.shape == (35, 1, 6, 6)
    assert found["train"].images[7 + 2].float().mean() == 12


def test_mini_imagenets_layout_is_images_and_three_lists(tmp_path):
    for part, names in (("train", "ab"), ("val", "cd"), ("test", "ef")):
        rows = ["filename,label"]
        for name in names:
            for number in range(3):
                draw(tmp_path / "images" / f"{name}{number}.jpg", 100, mode="RGB")
                rows.append(f"{name}{number}.jpg,{name}")
        (tmp_path / f"{part}.csv").write_text("\n".join(rows) + "\n")
    found = read_image_folder(tmp_path, size=8, channels=3)
    assert found["test"].names == ("e", "f")
    assert found["test"].images.shape == (6, 3, 8, 8)


def test_omniglots_layout_is_alphabets_and_characters(tmp_path):
    for part, count in (("images_background", 12), ("images_evaluation", 8)):
        for number in range(count):
            classes_under(tmp_path / part / f"alphabet{number % 3}", [f"character{number}"], each=3)
    found = read_image_folder(tmp_path)
    assert {name: len(one) for name, one in found.items()} == {"train": 14, "validation": 1, "test": 5}
    # Strokes are bright.
    assert int(found["train"].images.min()) > 200


def test_plain_folders_of_classes_are_divided(tmp_path):
    classes_under(tmp_path, [f"class{number}" for number in range(25)], each=2)
    assert is_image_folder(tmp_path)
    assert {name: len(one) for name, one in read_image_folder(tmp_path, size=12).items()} == {
        "train": 16,
        "validation": 4,
        "test": 5,
    }


def test_a_folder_of_images_is_a_corpus(tmp_path):
    for part in ("train", "val", "test"):
        classes_under(tmp_path / part, [f"{part}{number}" for number in range(3)], mode="RGB")
    (tmp_path / "corpus.toml").write_text("[episodes]\nn_way = 3\nsize = 20\nnum_iterations = 18\n")
    (task,) = metaopt.load_corpus(tmp_path)
    assert isinstance(task, metaopt.FewShotTask)
    assert (task.source.n_way, task.num_iterations) == (3, 18)
    drawn = task.source.sample("test", 2, metaopt_generator())
    assert task.build(0)(drawn.query_inputs[0]).shape == (15, 3)


def metaopt_generator():
    import torch

    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[episodes]\nways = 3\n", r"corpus.toml, \[episodes\]: unknown key 'ways'"),
        ("[episodes]\nn_way = 0\n", r"n_way must be a positive whole number, got 0"),
        ("[episodes]\nrotations = 1\n", r"rotations must be true or false, got 1"),
        ("[episodes", r"corpus.toml cannot be read"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, match):
    classes_under(tmp_path, [f"class{number}" for number in range(25)], each=7)
    (tmp_path / "corpus.toml").write_text(text)
    with pytest.raises(metaopt.InputError, match=match):
        metaopt.load_corpus(tmp_path)


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    classes_under(tmp_path, ["a", "b", "c"])
    (tmp_path / "a" / "0.png").write_bytes(b"nothing")
    with pytest.raises(metaopt.InputError, match=r"a/0\.png cannot be read"):
        read_image_folder(tmp_path)


def test_an_empty_folder_holds_no_images(tmp_path):
    with pytest.raises(metaopt.InputError, match="holds no images"):
        read_image_folder(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif("METAOPT_OMNIGLOT" not in os.environ, reason="METAOPT_OMNIGLOT names no folder: no Omniglot here")
def test_omniglot_has_1623_characters():
    found = read_image_folder(Path(os.environ["METAOPT_OMNIGLOT"]))
    assert {name: len(one) for name, one in found.items()} == {"train": 1100, "validation": 100, "test": 423}
    assert not set(found["train"].names) & set(found["test"].names)
    assert all(set(one.counts) == {20} for one in found.values())
    assert found["test"].images.shape == (8460, 1, 28, 28)
    # Few strokes, bright on dark.
    assert 5 < float(found["test"].images.float().mean()) < 50
