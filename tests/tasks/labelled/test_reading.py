"""Files are read one after the other; those that cannot be read are told of."""

import pytest
import torch

from metaopt.errors import InputError
from metaopt.tasks.labelled import reading
from metaopt.tasks.labelled.reading import read_images, read_texts
from metaopt.tasks.labelled.settings import LabelledSettings
from tests.tasks.example_folders import write_image

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def images(folder, *sizes, **settings):
    files = []
    for number, (size, mode) in enumerate(sizes):
        files.append(folder / f"{number}.png")
        write_image(files[-1], number, size, mode)
    return read_images(files, LabelledSettings(**settings))


def test_images_of_several_sizes_and_channels_become_alike(tmp_path):
    contents = images(tmp_path, ((64, 48), "RGB"), ((60, 50), "L"), ((80, 40), "P"))
    assert contents.values.shape == (3, 3, 24, 32)
    assert contents.values.dtype == torch.uint8
    assert contents.form == "(40 to 50)×(60 to 80), 1 grey, others in colours; stretched to 24×32 as colours"
    assert images(tmp_path, ((64, 48), "RGB"), size=(5, 6), channels=1).values.shape == (1, 1, 5, 6)


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    contents = images(tmp_path, ((8, 8), "I;16"), ((8, 8), "L"))
    assert contents.values.dtype == torch.float32
    assert 0 <= contents.values.min() < contents.values.max() <= 1
    assert len(contents.values[0].unique()) > 60
    assert contents.form == "8×8, grey, 1 of 16 bits"


def test_images_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_NUMBERS", 100)
    with pytest.raises(InputError, match=r"2 images of 8×8 would take 0 GiB; write a smaller size in corpus\.toml"):
        images(tmp_path, ((8, 8), "L"), ((8, 8), "L"))


def test_texts_are_files_or_lines(tmp_path):
    files = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    files[0].write_text("one\n\ntwo\n")
    files[1].write_bytes("größe der straße".encode("cp1252"))
    files[2].write_text("  \n")
    whole = read_texts(files, LabelledSettings(), False)
    assert (whole.places, whole.values) == ([0, 1], ["one\n\ntwo\n", "größe der straße"])
    assert "Read as cp1252" in whole.hints[0]
    assert "Empty files are left out" in whole.hints[1]
    lines = read_texts(files, LabelledSettings(), True)
    assert (lines.places, lines.values[:2]) == ([0, 0, 1], ["one", "two"])
    broken = read_texts([files[1], tmp_path / "none.txt"], LabelledSettings(encoding="utf-8"), False)
    assert [path.name for path, _ in broken.broken] == ["none.txt"]
    assert [path.name for path, _ in broken.unknown] == ["b.txt"]
