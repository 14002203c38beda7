"""Image files of every dress become pixels of one."""

import numpy as np
import pytest
import torch

from metaopt.tasks.images.pixels import Format, Header, described, format_of, read_header, read_pixels

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def header(height, width, is_grey=True, is_deep=False):
    return Header(height, width, is_grey, is_deep, 1)


@pytest.mark.parametrize(
    ("headers", "told", "shape"),
    [
        ([header(28, 28)] * 3, {}, (1, 28, 28)),
        ([header(480, 640, False)] * 3, {}, (3, 24, 32)),
        ([header(20, 30), header(22, 34), header(40, 20, False)], {}, (3, 22, 30)),
        ([header(28, 28)], {"size": 8}, (1, 8, 8)),
        ([header(28, 28)], {"size": (4, 6), "channels": 4}, (4, 4, 6)),
        ([header(1, 4000)], {}, (1, 1, 32)),
    ],
)
def test_sizes_are_medians_of_at_most_thirty_two(headers, told, shape):
    assert format_of(headers, told.get("size"), told.get("channels")).shape == shape


def saved(path, array, mode=None, **how):
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    image.save(path, **how)
    return path


def test_colours_palettes_and_grey_are_what_they_show(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    for name, mode in (("rgb.png", None), ("palette.png", "P"), ("cmyk.tiff", "CMYK")):
        path = saved(tmp_path / name, red, mode)
        assert not read_header(path).is_grey
        assert read_pixels(path, Format(3, 4, 4, False))[:, 0, 0].tolist() == [255, 0, 0]
        assert read_pixels(path, Format(1, 4, 4, False)).shape == (1, 4, 4)
    grey = saved(tmp_path / "grey.gif", np.full((4, 4), 9, np.uint8))
    assert read_header(grey).is_grey
    assert read_pixels(grey, Format(1, 4, 4, False)).unique().tolist() == [9]


def test_what_is_transparent_is_white_or_stays_transparent(tmp_path):
    clear = saved(tmp_path / "clear.png", np.zeros((4, 4, 4), np.uint8))
    assert read_pixels(clear, Format(3, 4, 4, False)).unique().tolist() == [255]
    assert read_pixels(clear, Format(1, 4, 4, False)).unique().tolist() == [255]
    assert read_pixels(clear, Format(4, 4, 4, False)).unique().tolist() == [0]


def test_sixteen_bits_keep_their_steps(tmp_path):
    deep = saved(tmp_path / "deep.png", (np.arange(16, dtype=np.uint16).reshape(4, 4) + 1000))
    assert read_header(deep).is_deep
    pixels = read_pixels(deep, Format(1, 4, 4, True))
    assert pixels.dtype == torch.float32
    assert (pixels * 65535).round().flatten().tolist() == list(range(1000, 1016))
    assert read_pixels(deep, Format(3, 4, 4, False)).unique().tolist() == [4]


def test_turned_photographs_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "turned.jpg", np.zeros((4, 8), np.uint8), exif=exif)
    assert (read_header(path).height, read_header(path).width) == (8, 4)


def test_of_several_images_the_first_is_taken(tmp_path):
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert read_header(tmp_path / "moving.gif").frames == 2
    assert read_pixels(tmp_path / "moving.gif", Format(1, 4, 4, False)).unique().tolist() == [10]


def test_smaller_images_are_means_of_larger_ones(tmp_path):
    board = saved(tmp_path / "board.png", (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8))
    assert (read_pixels(board, Format(1, 8, 8, False)).int() - 127).abs().max() <= 2


def test_damaged_files_say_why_in_one_line(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match=r"^it is no image that Pillow knows$"):
        read_header(tmp_path / "text.png")
    whole = saved(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (30, 30)).astype(np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_pixels(tmp_path / "cut.png", Format(1, 8, 8, False))


def test_sizes_are_told():
    assert described([header(8, 8)] * 2) == "8×8, grey"
    assert described([header(8, 8), header(9, 8, False)]) == "(8 to 9)×8, 1 grey, others in colours"
