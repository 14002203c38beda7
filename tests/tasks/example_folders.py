"""Small folders of images and texts by class."""

from pathlib import Path

import numpy as np


def write_image(path: Path, number: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L") -> None:
    """An image of noise that depends on the number alone; size as width and height."""
    from PIL import Image

    draw = np.random.default_rng(number)
    shape = (size[1], size[0], *{"RGB": (3,), "RGBA": (4,), "LA": (2,)}.get(mode, ()))
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "I;16":
        Image.fromarray(draw.integers(0, 65536, shape).astype(np.uint16)).save(path)
    elif mode == "P":
        Image.fromarray(draw.integers(0, 256, (*shape, 3)).astype(np.uint8)).convert("P").save(path)
    else:
        Image.fromarray(draw.integers(0, 256, shape).astype(np.uint8)).save(path)


def write_classes(folder: Path, names: str, each: int = 5, first: int = 0, **how: object) -> None:
    """So many images of each class; no two of them alike."""
    for place, name in enumerate(names):
        for number in range(each):
            write_image(folder / name / f"{number}.png", first + place * each + number, **how)  # type: ignore[arg-type]


def write_lines(folder: Path, each: int = 20) -> None:
    """Two languages, a sentence a line."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    for name, words in (("english", "the cat sat on that mat"), ("german", "der hund lief auf die katze")):
        lines = [" ".join(draw.choice(words.split(), 6)) for _ in range(each)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n\n")
