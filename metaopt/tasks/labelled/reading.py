"""Files of images and of texts, read one after the other; those that cannot be read are told of, not raised."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from metaopt.errors import InputError, first_line, listed, quoted
from metaopt.files import read_content
from metaopt.tasks.images.pixels import Format, Header, described, format_of, read_header, read_pixels
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.tables.reading.encoding import UnknownEncodingError, decoded

#: Numbers of images that are held at most, 4 bytes each.
MOST_NUMBERS = 10**9


@dataclass(frozen=True, eq=False)
class Contents:
    """What files hold.

    Attributes:
        places: of which file each example is, in their order; files of lines have many.
        values: pixels of all examples, or texts.
        form: what is read, for people.
        broken: files that cannot be read, and why.
        unknown: files of text whose encoding the owner has to say.
        hints: sentences worth knowing.
        originals: what each image was before it became one of these; none of texts.
        format: that all images have; None for texts.
    """

    places: list[int]
    values: "Tensor | list[str]"
    form: str
    broken: list[tuple[Path, str]] = field(default_factory=list)
    hints: tuple[str, ...] = ()
    originals: tuple[str, ...] = ()
    format: Format | None = None
    unknown: tuple[tuple[Path, UnknownEncodingError], ...] = ()

    def chosen(self, places: Sequence[int]) -> "Tensor | list[str]":
        """Some of the examples."""
        if isinstance(self.values, Tensor):
            return self.values if len(places) == len(self.values) else self.values[torch.tensor(places)]
        return [self.values[place] for place in places]


def read_images(files: Sequence[Path], settings: LabelledSettings) -> Contents:
    """Images of one size and one number of channels, as bytes, or float32 where some have more than 8 bits.

    Raises:
        InputError: Pillow is not installed, or they would take too much memory.
    """
    broken: list[tuple[Path, str]] = []
    headers: dict[int, Header] = {}
    for place, path in enumerate(files):
        try:
            headers[place] = read_header(path)
        except ValueError as error:
            broken.append((path, first_line(error)))
    if not headers:
        return Contents([], torch.zeros(0), "", broken)
    form = format_of(list(headers.values()), settings.size, settings.channels)
    check_memory(len(headers), form)
    pixels: dict[int, Tensor] = {}
    for place in headers:
        try:
            pixels[place] = read_pixels(files[place], form)
        except ValueError as error:
            broken.append((files[place], first_line(error)))
    known = [headers[place] for place in pixels]
    values = torch.stack(list(pixels.values())) if pixels else torch.zeros(0)
    originals = tuple(described([header]) for header in known)
    shown = _form(known, form) if known else ""
    return Contents(list(pixels), values, shown, broken, _hints_of(known), originals, form)


def read_texts(files: Sequence[Path], settings: LabelledSettings, are_lines: bool) -> Contents:
    """Texts: a file each, or a line each; those of blanks are left out."""
    broken: list[tuple[Path, str]] = []
    places: list[int] = []
    texts: list[str] = []
    empty: list[Path] = []
    assumed: dict[str, Path] = {}
    unknown: list[tuple[Path, UnknownEncodingError]] = []
    for place, path in enumerate(files):
        try:
            source = decoded(read_content(path), settings.encoding)
        except (OSError, ValueError) as error:
            if isinstance(error, UnknownEncodingError):
                unknown.append((path, error))
            else:
                broken.append((path, first_line(error)))
            continue
        if source.is_assumed:
            assumed.setdefault(source.encoding, path)
        own = [text for text in (source.text.splitlines() if are_lines else [source.text]) if text.strip()]
        if not own:
            empty.append(path)
        texts.extend(own)
        places.extend([place] * len(own))
    hints = [
        f"Read as {name}, which nothing in the files says, such as {quoted(path)}. If words look wrong, write encoding."
        for name, path in assumed.items()
    ]
    if empty:
        hints.append(f"Empty files are left out: {listed([path.name for path in empty], 3)} ({len(empty):,} in all).")
    shown = "a text a line" if are_lines else "a text a file"
    return Contents(places, texts, shown, broken, tuple(hints), unknown=tuple(unknown))


def check_memory(count: int, form: Format) -> None:
    """Refuse so many images in this format where they would not fit.

    Raises:
        InputError: they would take too much memory.
    """
    numbers = count * form.channels * form.height * form.width
    if numbers > MOST_NUMBERS:
        raise InputError(
            f"{count:,} images of {form.height}×{form.width} would take {4 * numbers / 2**30:.0f} GiB; write a smaller "
            "size in corpus.toml, such as size = 32."
        )


def _form(headers: Sequence[Header], form: Format) -> str:
    channels = {1: "grey", 3: "colours", 4: "colours and transparency"}[form.channels]
    changes = []
    if any((each.height, each.width) != (form.height, form.width) for each in headers):
        changes.append(f"stretched to {form.height}×{form.width}")
    if form.channels == 4 or any(each.is_grey != (form.channels == 1) for each in headers):
        changes.append(f"as {channels}")
    return "; ".join([described(headers), *([" ".join(changes)] if changes else [])])


def _hints_of(headers: Iterable[Header]) -> tuple[str, ...]:
    several = sum(each.frames > 1 for each in headers)
    return (f"Of {several:,} files of several images (moving ones, pages) the first is taken.",) if several else ()
