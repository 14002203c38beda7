"""What makes scores of images and texts flatter is told, and nothing where there is nothing to tell."""

from pathlib import Path

import numpy as np
import pytest

import metaopt
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.task import task_of_folder
from tests.tasks.example_folders import write_classes, write_image


def image_leaks(folder, **settings):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    return task_of_folder(folder, "images", LabelledSettings(**settings)).leaks()


def write_texts(folder: Path, texts: dict[str, list[str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in texts.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))
    return folder


def drawn_texts(seed: int, words: str = "one two three four five six seven eight") -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(words.split(), 12)) for _ in range(30)]


def test_images_in_two_parts_are_counted(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for part, first in (("train", 0), ("test", 6)):  # each four of the ten that test, train
        write_classes(tmp_path / part, "ab", each=10, first=first)
        write_classes(tmp_path / part, "c", each=10, first=100 + first)
    (sentence, *others) = image_leaks(tmp_path, validation=0.5)
    assert sentence.startswith("images that are training images too: ")
    assert " that test. Scores flatter; remove duplicates." in sentence
    assert any("the same as some of another class" in other for other in others)


def test_images_of_two_classes_that_are_the_same_are_counted(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_classes(tmp_path, "ab", each=20)
    write_image(tmp_path / "a" / "twin.png", 77)
    write_image(tmp_path / "b" / "twin.png", 77)
    assert "2 images are the same as some of another class, which no model tells apart; correct or remove them." in (
        image_leaks(tmp_path)
    )


def test_a_class_whose_files_alone_have_a_size_is_told(tmp_path):
    write_classes(tmp_path, "ab", each=20)
    write_classes(tmp_path, "c", each=20, first=100, size=(9, 7))
    (sentence,) = image_leaks(tmp_path)
    assert sentence.startswith("size and colours alone tell 'c' (7×9, grey) from all others. ")


def test_sizes_that_classes_share_are_nothing(tmp_path):
    for size, first in (((8, 8), 0), ((10, 8), 500)):
        for place, name in enumerate("ab"):
            for number in range(10):
                seed = first + 50 * place + number
                write_image_if_possible(tmp_path / name / f"{seed}.png", seed, size)
    assert image_leaks(tmp_path) == []


def write_image_if_possible(path, number, size):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_image(path, number, size)


def test_a_mark_in_the_pictures_of_a_class_is_told(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_classes(tmp_path, "abc", each=20)
    for name in "abc":
        for path in (tmp_path / name).iterdir():
            pixels = np.asarray(image.open(path)).copy() // 2
            pixels[2, 5] = 255 if name == "b" else pixels[2, 5]
            image.fromarray(pixels).save(path)
    (sentence,) = image_leaks(tmp_path)
    assert sentence.startswith("a single pixel tells 'b' (row 3, column 6) from all others. ")


def test_few_images_say_nothing(tmp_path):
    write_image_if_possible(tmp_path / "a" / "first.png", 0, (8, 8))
    write_classes(tmp_path, "a", each=5)
    write_classes(tmp_path, "b", each=5, first=50, size=(9, 9))
    assert image_leaks(tmp_path) == []


def test_a_word_that_all_texts_of_a_class_have_and_no_other_is_told(tmp_path):
    texts = {"a": drawn_texts(0), "b": [f"{text} signed" for text in drawn_texts(1)], "c": drawn_texts(2)}
    leaks = task_of_folder(write_texts(tmp_path, texts), "texts", LabelledSettings(tokens="words")).leaks()
    assert leaks == ["a single token tells 'b' ('signed') from all others. If it is not known of new texts, remove it."]


def test_tuning_is_told_as_show_is(tmp_path):
    same = drawn_texts(3)
    folder = write_texts(tmp_path / "mixed", {"a": [*drawn_texts(0), *same], "b": [*drawn_texts(1), *same]})
    notes = metaopt.load_corpus(folder).notes
    assert any(note.startswith(f"warning: {folder}: texts that are training texts too: ") for note in notes)
    assert (
        f"warning: {folder}: 60 texts are the same as some of another class, which no model tells apart; correct or "
        in ("".join(notes))
    )


def test_a_table_of_texts_is_told_of_alike(tmp_path):
    rows = [(f"{text}, my friend, says {word}", word) for word in ("yes", "no") for text in drawn_texts(len(word))]
    (tmp_path / "answers.csv").write_text("text;label\n" + "".join(f"{text};{label}\n" for text, label in rows))
    (note,) = metaopt.load_corpus(tmp_path).notes
    assert note.startswith(f"warning: {tmp_path / 'answers.csv'}: a single token tells ")
