"""Rows that `travel` trains on and judges by, from the data folder or by formulas with seeds of their own.

Judging rows are of Tiny Shakespeare's last tenth, the digits behind 7,000 in `drop_in`'s order, Omniglot's evaluation
set, the second half of WikiText-2's test text, or generated: no corpus that a default is made on holds any of them.
"""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.recipes.drop_in_models import digits as ordered_digits
from benchmarks.recipes.travel.task import Data, Rows, Windows

#: Printable ASCII, the line's end and one code for all other characters.
NUM_CHARACTERS = 97
#: The most frequent words of the training text, and one code for all others.
NUM_WORDS = 6_000
WRITERS = 20
#: Of Omniglot's writers: to train, to validate, to test.
WRITERS_PARTS = (14, 3, 3)
SETS = ("background", "evaluation")
SIDE = 28


# Text


def shakespeare(folder: Path, context: int, count: int = 256) -> Data:
    """The play's first nine tenths to train; of the last tenth one half to validate, one to test."""
    text = (folder / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    codes, begin = characters(text), int(0.9 * len(text))
    return text_data(codes[:begin], codes[begin:], context, count)


def wikitext(folder: Path, context: int, count: int = 256) -> Data:
    """WikiText-2's validation text and half its test text to train, the other half to judge."""
    training, judging = wikitext_parts(folder)
    return text_data(characters(training), characters(judging), context, count)


def wikitext_words(folder: Path, context: int, count: int = 256) -> Data:
    training, judging = (part.split() for part in wikitext_parts(folder))
    frequent = sorted(Counter(training).items(), key=lambda entry: (-entry[1], entry[0]))[:NUM_WORDS]
    codes = {word: code for code, (word, _) in enumerate(frequent)}
    coded = (torch.tensor([codes.get(word, NUM_WORDS) for word in part]) for part in (training, judging))
    return text_data(*coded, context, count)


def wikitext_parts(folder: Path) -> tuple[str, str]:
    valid, test = ((folder / "wikitext2" / f"{name}.txt").read_text(encoding="utf-8") for name in ("valid", "test"))
    return valid + test[: len(test) // 2], test[len(test) // 2 :]


def text_data(training: Tensor, judging: Tensor, context: int, count: int) -> Data:
    validation, test = judging.split(-(-len(judging) // 2))
    return Data(
        Windows(training, context), Windows(validation, context).spread(count), Windows(test, context).spread(count)
    )


def characters(text: str) -> Tensor:
    """Codes of a text, shape (characters,)."""
    points = torch.tensor([ord(character) for character in text])
    codes = torch.where((points >= 32) & (points < 127), points - 32, NUM_CHARACTERS - 1)
    return torch.where(points == ord("\n"), NUM_CHARACTERS - 2, codes)


# Images


def digits(folder: Path, *, is_flat: bool = False) -> Data:
    """`drop_in`'s digits, 28 × 28: 7,000 to train, 1,500 to validate, 1,500 to test."""
    images, labels = ordered_digits(folder / "mnist_t10k")
    parts = zip(
        (images.flatten(1) if is_flat else images).split((7_000, 1_500, 1_500)),
        labels.split((7_000, 1_500, 1_500)),
        strict=True,
    )
    return Data(*(Rows(*part) for part in parts))


@cache
def omniglot(folder: Path, name: str) -> Tensor:
    """Ink from 0 to 1, shape (characters, 20 writers, 28, 28)."""
    with np.load(folder / "omniglot" / f"images_{name}.npz") as packed:
        paper = packed["images"]
    # In parts: the whole set as floats would take a gigabyte.
    small = [F.adaptive_avg_pool2d(1 - torch.from_numpy(part).float(), SIDE) for part in np.array_split(paper, 20)]
    return (2 * torch.cat(small)).clamp(max=1)


def characters_of_writers(folder: Path, begin: int, count: int, *, is_flat: bool = False) -> Data:
    """Which of `count` characters of the evaluation set it is; writers are never on both sides."""
    images = omniglot(folder, "evaluation")[begin : begin + count]
    labels = torch.arange(count)[:, None].expand(count, WRITERS)
    shape = (-1, SIDE**2) if is_flat else (-1, 1, SIDE, SIDE)
    parts = zip(images.split(WRITERS_PARTS, dim=1), labels.split(WRITERS_PARTS, dim=1), strict=True)
    return Data(*(Rows(ink.reshape(shape) - 0.1, label.reshape(-1)) for ink, label in parts))


def known_characters(folder: Path, count: int) -> Rows:
    """Characters of the background set with their classes, to train before a fine-tuning."""
    images = omniglot(folder, "background")[:count]
    labels = torch.arange(count)[:, None].expand(count, WRITERS)
    return Rows(images.reshape(-1, 1, SIDE, SIDE) - 0.1, labels.reshape(-1))


def binary_ink(folder: Path) -> Data:
    """Black and white characters of 784 numbers: the background set to train, the evaluation set to judge."""
    background, evaluation = ((omniglot(folder, name) > 0.5).float().flatten(2) for name in SETS)
    judging = evaluation[:, :2]
    parts = background.flatten(0, 1), judging[:300].flatten(0, 1), judging[300:600].flatten(0, 1)
    return Data(*(Rows(part, part) for part in parts))


def noisy_ink(folder: Path, noise: float = 0.5) -> Data:
    """Characters under noise of its standard deviation, and without: 6,000 to train, 300 and 300 to judge."""
    background, evaluation = (omniglot(folder, name)[:, :10].flatten(0, 1)[:, None] for name in SETS)
    generator = torch.Generator().manual_seed(20)
    picked = torch.randperm(len(evaluation), generator=generator)
    parts = background[:6_000], evaluation[picked[:300]], evaluation[picked[300:600]]
    return Data(*(Rows(part + noise * torch.randn(part.shape, generator=generator), part) for part in parts))


# Generated


def ratings(users: int = 2_000, items: int = 1_000, rank: int = 4, seed: int = 41) -> Data:
    """Who likes what, by fame, mood, tastes of `rank` numbers and chance; a few items are met often: (rows, 2)."""
    generator = torch.Generator().manual_seed(seed)
    tastes, traits = (torch.randn(count, rank, generator=generator) for count in (users, items))
    fame, mood = (torch.randn(count, generator=generator) for count in (items, users))
    often = torch.arange(1, items + 1).double() ** -0.7
    drawn = 330_000
    user = torch.randint(users, (drawn,), generator=generator)
    pairs = (user * items + torch.multinomial(often, drawn, replacement=True, generator=generator)).unique()
    pairs = pairs[torch.randperm(len(pairs), generator=generator)]  # each pair is there once
    user, item = pairs // items, pairs % items
    score = 1.5 * (tastes[user] * traits[item]).sum(1) / rank**0.5 + 1.5 * fame[item] + mood[user]
    likes = (torch.rand(len(pairs), generator=generator) < score.sigmoid()).float()
    return in_parts(torch.stack((user, item), 1), likes, (6_000, 12_000))


def table(rows: int = 26_000, seed: int = 42) -> Data:
    """Five classes by a tree of conditions on 24 numbers and 6 categories, a tenth of them at random: (rows, 60)."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(rows, 24, generator=generator)
    categories = torch.randint(6, (rows, 6), generator=generator)
    effects = torch.randn(6, 6, generator=generator)
    score = torch.zeros(rows, 5)
    for leaf in range(15):
        left, right, group = (int(torch.randint(top, (), generator=generator)) for top in (24, 24, 6))
        met = (numbers[:, left] > 0) & (numbers[:, right] > -0.5) & (effects[group, categories[:, group]] > -0.5)
        score[:, leaf % 5] += met.float() * torch.rand((), generator=generator)
    score += 0.8 * (numbers[:, :5] * 2).sin()
    labels = torch.where(
        torch.rand(rows, generator=generator) < 0.1, torch.randint(5, (rows,), generator=generator), score.argmax(1)
    )
    inputs = torch.cat((numbers, F.one_hot(categories, 6).flatten(1).float()), 1)
    return in_parts(inputs, labels, (2_000, 4_000))


def curve_table(rows: int = 26_000, seed: int = 43) -> Data:
    """A smooth number of 40 inputs, their scales from 0.3 to 3, with noise of a tenth of its variance."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, 40, generator=generator)
    mix = torch.randn(40, 12, generator=generator) / 40**0.5
    hidden = (inputs @ mix * 1.2).sin()
    target = (hidden[:, :6] * hidden[:, 6:]).sum(1, keepdim=True) + hidden @ torch.randn(12, 1, generator=generator)
    target = (target - target.mean()) / target.std()
    scales = 10 ** torch.linspace(-0.5, 0.5, 40)[torch.randperm(40, generator=generator)]
    noise = 0.1**0.5 * torch.randn(rows, 1, generator=generator)
    return in_parts(inputs * scales, target + noise, (2_000, 4_000))


def in_parts(inputs: Tensor, targets: Tensor, judging: tuple[int, int]) -> Data:
    """The last rows judge; they are drawn like all others, so no order is needed."""
    sizes = (len(targets) - sum(judging), *judging)
    return Data(*(Rows(*part) for part in zip(inputs.split(sizes), targets.split(sizes), strict=True)))
