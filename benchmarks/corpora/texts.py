"""Texts as numbers, and windows of them to train, to validate and to test."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

import metaopt

#: Shares of a text in order: up to here to train, to validate, to test.
ENDS = (8 / 9, 17 / 18, 1.0)


def words(text: str) -> list[str]:
    """Words and marks of a text."""
    return re.findall(r"\w+|[^\w\s]", text)


def numbered(pieces: Iterable[str], count: int) -> dict[str, int]:
    """The most frequent characters or words, numbered by how frequent they are."""
    counts = Counter(pieces)
    frequent = sorted(counts, key=lambda piece: (-counts[piece], piece))
    return {piece: code for code, piece in enumerate(frequent[:count])}


def coded(pieces: Sequence[str], numbers: Mapping[str, int]) -> Tensor:
    """Characters or words by their numbers, all that have none by one more: int64, shape (pieces,)."""
    return torch.tensor([numbers.get(piece, len(numbers)) for piece in pieces])


def window_splits(codes: Tensor, context: int, counts: Sequence[int], *, each_place: bool) -> metaopt.Splits:
    """Windows evenly spread over a text's first part to train, over the next to validate, over the last to test.

    Args:
        codes: of the text.
        context: places of an input.
        counts: numbers of windows of the three parts.
        each_place: targets are what comes next at every place, not after the last one alone.
    """
    ends = [int(share * len(codes)) for share in (0.0, *ENDS)]
    parts = []
    for (begin, end), count in zip(pairwise(ends), counts, strict=True):
        starts = begin + torch.arange(count) * (end - begin - context - 1) // count
        windows = codes[starts[:, None] + torch.arange(context + 1)]
        targets = windows[:, 1:].contiguous() if each_place else windows[:, -1].clone()
        parts.append(metaopt.Split(windows[:, :-1].contiguous(), targets))
    return metaopt.Splits(*parts)
