"""Omniglot's characters are divided at random, or by alphabets as Vinyals et al. did."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import metaopt
from metaopt.tasks.images.omniglot import CHARACTERS, VALIDATION_ALPHABETS

BACKGROUND = [(alphabet, number) for alphabet in ("Tagalog", "Hebrew", "Arcadian") for number in (2, 1, 3)]
EVALUATION = [(alphabet, number) for alphabet in ("Keble", "Angelic", "Atlantean") for number in (1, 2)]


@pytest.fixture
def folder(tmp_path):
    """Packed images whose grey level is their row, and a table of their characters."""
    rows = [("set", "row", "alphabet", "character")]
    for part, characters in (("background", BACKGROUND), ("evaluation", EVALUATION)):
        levels = np.arange(len(characters), dtype=np.uint8)[:, None, None, None] % 2
        np.savez(tmp_path / f"images_{part}.npz", images=np.broadcast_to(levels, (len(characters), 2, 28, 28)))
        rows += [(part, row, name, f"character{number:02}") for row, (name, number) in enumerate(characters)]
    with (tmp_path / CHARACTERS).open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


def divided(folder):
    return {name: classes.names for name, classes in metaopt.read_image_folder(folder, characters="vinyals").items()}


def test_characters_are_in_alphabetical_order_and_whole_alphabets_validate(folder):
    parts = divided(folder)
    # 11 of 15 are known: nine of the background, then the alphabetically first two of the evaluation set.
    assert parts["validation"] == tuple(f"images_background/{row}" for row in (4, 3, 5))
    assert parts["train"][:3] == tuple(f"images_background/{row}" for row in (7, 6, 8))
    assert parts["train"][-2:] == ("images_evaluation/2", "images_evaluation/3")
    assert parts["test"] == tuple(f"images_evaluation/{row}" for row in (4, 5, 0, 1))


def test_folders_of_alphabets_say_it_themselves(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for part, characters in (("background", BACKGROUND), ("evaluation", EVALUATION)):
        for name, number in characters:
            path = tmp_path / f"images_{part}" / name / f"character{number:02}"
            path.mkdir(parents=True)
            image.fromarray(np.full((28, 28), 255, dtype=np.uint8)).save(path / "drawn.png")
    parts = divided(tmp_path)
    assert parts["validation"] == tuple(f"images_background/Hebrew/character{number:02}" for number in (1, 2, 3))
    assert {name.split("/")[1] for name in parts["test"]} == {"Atlantean", "Keble"}


def test_what_cannot_be_divided_so_is_told(folder):
    with pytest.raises(metaopt.InputError, match="divided 'random' or as 'vinyals', got 'lake'"):
        metaopt.read_image_folder(folder, characters="lake")
    table = folder / CHARACTERS
    text = table.read_text()
    table.write_text(text.replace("Hebrew", "Latin"))
    with pytest.raises(metaopt.InputError, match=r"validates on the alphabets .* has none of them"):
        divided(folder)
    table.write_text("\n".join(text.splitlines()[:-1]))
    with pytest.raises(metaopt.InputError, match=r"names 5 characters of images_evaluation.npz, which has 6"):
        divided(folder)
    table.write_text(text.replace("alphabet", "script"))
    with pytest.raises(metaopt.InputError, match="lacks the column 'alphabet'"):
        divided(folder)
    table.unlink()
    with pytest.raises(metaopt.InputError, match=r"goes by alphabets, which .*\.npz does not name; put"):
        divided(folder)


@pytest.mark.slow
@pytest.mark.skipif("METAOPT_OMNIGLOT" not in os.environ, reason="METAOPT_OMNIGLOT names no folder")
def test_the_whole_of_omniglot_is_divided_as_in_the_papers():
    path = Path(os.environ["METAOPT_OMNIGLOT"])
    parts = metaopt.read_image_folder(path, characters="vinyals")
    assert {name: len(classes) for name, classes in parts.items()} == {"train": 1028, "validation": 172, "test": 423}
    with (path / CHARACTERS).open() as file:
        alphabets = {f"images_{row['set']}/{row['row']}": row["alphabet"] for row in csv.DictReader(file)}
    assert {alphabets[name] for name in parts["validation"].names} == VALIDATION_ALPHABETS
    both = {alphabets[name] for name in parts["train"].names} & {alphabets[name] for name in parts["test"].names}
    assert both == {"Gurmukhi"}
