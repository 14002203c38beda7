"""Transformers that say what comes next: norms before or after, heads of their own or the embedding's, words too."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from benchmarks.corpora import judging_rows
from benchmarks.corpora.ladder.family import Family
from benchmarks.corpora.texts import coded, numbered, window_splits, words
from benchmarks.recipes.drop_in_models import Block, Transformer

HEADS = 4
#: Windows to train, to validate, to test.
WINDOWS = (8_000, 64, 128)
#: Characters that have a number of their own.
CHARACTERS = 64


def families(folder: Path) -> list[Family]:
    """Of characters: pre-norm, tied and post-norm; of words: untied and tied, by vocabulary."""
    shakespeare = partial(character_splits, judging_rows.shakespeare, folder)
    wikitext = partial(character_splits, judging_rows.wikitext_validation, folder)
    middle = {"width": 32, "depth": 1, "context": 16, "batch": 8, "horizon": 400}
    in_words = {**middle, "vocabulary": 256}
    return [
        Family(
            "gpt",
            partial(of_characters, Transformer),
            shakespeare,
            middle,
            {"width": (0.5, 2, 4), "depth": (4,), "context": (4,), "batch": (8, 32), "horizon": (0.25, 7.5)},
        ),
        Family("gpt_tied", partial(of_characters, TiedTransformer), wikitext, middle, {"width": (4,)}),
        Family(
            "gpt_post",
            partial(of_characters, PostNormTransformer),
            shakespeare,
            middle,
            {"width": (4, 8)},
        ),
        Family(
            "words",
            partial(of_words, Transformer),
            partial(word_splits, folder),
            in_words,
            {"vocabulary": (0.25, 4, 16)},
        ),
        Family(
            "words_tied",
            partial(of_words, TiedTransformer),
            partial(word_splits, folder),
            in_words,
            {"vocabulary": (16,)},
        ),
    ]


def of_characters(kind: Callable[..., nn.Module], width: int, depth: int, context: int) -> nn.Module:
    """A transformer over characters."""
    return of_words(kind, width, depth, context, CHARACTERS)


def of_words(kind: Callable[..., nn.Module], width: int, depth: int, context: int, vocabulary: int) -> nn.Module:
    """A transformer over a vocabulary and one more for all else."""
    return kind(vocabulary + 1, context, width=width, heads=HEADS, layers=depth)


class TiedTransformer(Transformer):
    """The transformer of `drop_in` whose head is its embedding (Press & Wolf, arXiv:1608.05859)."""

    def __init__(self, vocabulary: int, context: int, width: int = 96, heads: int = 4, layers: int = 2) -> None:
        super().__init__(vocabulary, context, width, heads, layers)
        self.head = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        states = self.blocks(self.tokens(tokens) + self.positions[: tokens.shape[1]])
        return F.linear(self.head(states), self.tokens.weight).transpose(1, 2)


class PostNormTransformer(Transformer):
    """The transformer of `drop_in` with norms after each sum (Vaswani et al., arXiv:1706.03762), none in its head."""

    def __init__(self, vocabulary: int, context: int, width: int = 96, heads: int = 4, layers: int = 2) -> None:
        super().__init__(vocabulary, context, width, heads, layers)
        self.blocks = nn.Sequential(*(PostNormBlock(width, heads) for _ in range(layers)))
        self.head = nn.Linear(width, vocabulary)


class PostNormBlock(Block):
    """Attention and a perceptron, LayerNorm after each sum."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](x + self.attention(x))
        return self.norms[1](x + self.mlp(x))


def character_splits(read: Callable[[Path], str], folder: Path, context: int) -> metaopt.Splits:
    """The next character at each place."""
    return window_splits(_characters(read, folder), context, WINDOWS, each_place=True)


def word_splits(folder: Path, context: int, vocabulary: int) -> metaopt.Splits:
    """The next word of WikiText-2's validation text at each place."""
    return window_splits(_words(folder, vocabulary), context, WINDOWS, each_place=True)


@cache
def _characters(read: Callable[[Path], str], folder: Path) -> Tensor:
    text = read(folder)
    return coded(text, numbered(text, CHARACTERS))


@cache
def _words(folder: Path, vocabulary: int) -> Tensor:
    text = words(judging_rows.wikitext_validation(folder))
    return coded(text, numbered(text, vocabulary))
