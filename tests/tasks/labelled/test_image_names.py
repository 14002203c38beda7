"""Cells of tables name image files, in several ways."""

import numpy as np
import pandas as pd
import pytest

from metaopt.tasks.labelled.image_names import located, names_images


@pytest.mark.parametrize(
    ("cells", "are_names"),
    [
        (["a.png", "b.JPG", "my cat.jpeg", None], True),
        (["a.png"] * 9 + ["unknown"], True),
        (["a.png", "a.png", "no image"], False),
        (["a picture of a cat", "another"], False),
        ([None, None], False),
        ([1.0, 2.0], False),
    ],
)
def test_a_column_of_names_is_known(cells, are_names):
    dtype = object if isinstance(cells[0], str) or cells[0] is None else float
    assert names_images(pd.Series(cells, dtype=dtype)) is are_names


def test_a_file_is_found_by_its_path_or_by_its_name_alone(tmp_path):
    for name in ("a.png", "in/b.png", "in/c.png", "out/c.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    cells = [
        "a.png",
        "./in/b.png",
        "in\\c.png",
        "b.png",
        "b",
        "elsewhere/b.png",
        "c.png",
        "notes.txt",
        np.nan,
        None,
        "",
    ]
    found = [None if path is None else path.relative_to(tmp_path).as_posix() for path in located(cells, tmp_path)]
    assert found[:6] == ["a.png", "in/b.png", "in/c.png", "in/b.png", "in/b.png", "in/b.png"]
    assert found[6:] == [None] * 5  # two files of that name; no image; nothing
