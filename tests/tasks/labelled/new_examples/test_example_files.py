"""New images and texts are found by their names, and what is none is refused in a sentence."""

from pathlib import Path

import pytest

from metaopt.errors import InputError
from metaopt.tasks.labelled.new_examples.example_files import example_files


@pytest.fixture
def folder(tmp_path):
    for name in ("b/two.PNG", "a.jpg", "notes.txt", ".hidden.png"):
        path = tmp_path / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "new"


def test_a_folder_is_looked_through_by_name(folder):
    assert list(example_files(folder, "images")) == ["a.jpg", "b/two.PNG"]
    assert example_files(str(folder), "texts") == {"notes.txt": folder / "notes.txt"}


def test_one_file_is_one_example(folder):
    assert example_files(folder / "a.jpg", "images") == {"a.jpg": folder / "a.jpg"}


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("absent.png", "images", "does not exist; images to predict are a file or a folder of them."),
        ("notes.txt", "images", "holds no images by its name; there are .bmp, .gif"),
        ("b", "texts", "holds no texts (.txt); there is nothing to predict."),
    ],
)
def test_what_is_none_is_refused(folder, name, kind, message):
    with pytest.raises(InputError) as error:
        example_files(folder / name, kind)
    assert message in str(error.value)


def test_what_is_no_path_is_refused():
    with pytest.raises(InputError, match="Images to predict are a file or a folder of them, got 7"):
        example_files(7, "images")
    with pytest.raises(InputError, match="does not exist"):
        example_files(Path("x" * 5000), "images")
