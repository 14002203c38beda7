"""Examples of a folder, or all that stands against them at once."""

import pytest

from metaopt.errors import InputError
from metaopt.tasks.labelled.examples import read_examples
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.tables.refusal import UnusableTableError
from tests.tasks.example_folders import write_classes, write_image

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def read(folder, **settings):
    return read_examples(folder, "images", LabelledSettings(**settings))


def test_classes_are_in_the_order_of_their_names(tmp_path):
    write_classes(tmp_path, "ba", each=3)
    examples = read(tmp_path)
    assert examples.names == ("a", "b")
    assert examples.classes.tolist() == [0, 0, 0, 1, 1, 1]
    assert examples.contents.shape == (6, 1, 8, 8)
    assert examples.form == "8×8, grey"


def test_all_that_is_wrong_is_said_at_once_and_can_be_left_out(tmp_path):
    write_classes(tmp_path, "abc", each=4)
    (tmp_path / "a" / "broken.png").write_bytes(b"nothing")
    whole = (tmp_path / "b" / "0.png").read_bytes()
    (tmp_path / "b" / "cut.png").write_bytes(whole[: len(whole) // 2])
    write_image(tmp_path / "rare" / "1.png")
    write_image(tmp_path / "c" / "more" / "1.png")
    (tmp_path / "c" / "about.txt").write_text("These are images.")
    with pytest.raises(UnusableTableError) as caught:
        read(tmp_path)
    assert [refusal.settings for refusal in caught.value.refusals] == [
        {"drop_files": ["nested"]},
        {"drop_files": ["broken"]},
        {"drop_files": ["rare_class"]},
    ]
    message = str(caught.value)
    for part in ("c/more' holds images inside the class 'c'", "a/broken.png' (it is no image that Pillow knows)"):
        assert part in message
    assert "cut.png" in message
    assert "classes of fewer than 3 images to train, validate and test on: " in message
    assert "rare (1)" in message
    examples = read(tmp_path, drop_files=("broken", "rare_class", "nested"))
    assert (examples.names, len(examples.classes), examples.num_left_out) == (("a", "b", "c"), 12, 3)
    assert "Files that are no images are left out" in examples.hints[0]


def test_one_class_is_too_few(tmp_path):
    write_classes(tmp_path, "a")
    with pytest.raises(InputError, match=r"has only the class 'a', where two are needed to tell apart"):
        read(tmp_path)


def test_classes_of_which_none_trains_are_few_shot(tmp_path):
    write_classes(tmp_path / "train", "ab")
    write_classes(tmp_path / "val", "cd")
    with pytest.raises(InputError, match=r'a few-shot task: write task = "episodes" in corpus\.toml') as caught:
        read(tmp_path)
    assert "has no class with images to train on, and one in validation, but c (0), d (0)" in str(caught.value)
    with pytest.raises(InputError, match="few-shot"):
        read(tmp_path, drop_files=("rare_class",))


def test_an_empty_folder_holds_none(tmp_path):
    with pytest.raises(InputError, match=r"holds no images \(\.bmp, .*\) in folders of their classes"):
        read(tmp_path)


def test_an_encoding_that_nobody_knows_is_asked_for_once(tmp_path):
    for name, words in (("one", "кошка сидела на ковре"), ("two", "дождь шёл весь день")):
        (tmp_path / f"{name}.txt").write_bytes("\n".join(f"{words} {row}" for row in range(10)).encode("cp1251"))
    with pytest.raises(InputError) as error:
        read_examples(tmp_path, "texts", LabelledSettings())
    assert "one.txt' (and 1 more such file): it is not UTF-8 text" in str(error.value)
    assert [refusal.settings for refusal in error.value.refusals] == [{"encoding": "cp1251"}]
    assert len(read_examples(tmp_path, "texts", LabelledSettings(encoding="cp1251")).contents) == 20
