"""Texts as numbers: the words, or the runs of up to three characters, that training texts have most often.

0 stands for nothing, behind a text that is shorter than others; tokens count from 1, the most frequent first. Others
are left out, as fastText does with what its vocabulary lacks (Bojanowski et al. 2017, https://arxiv.org/abs/1607.04606).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TOKENS = ("characters", "words")
#: How many different tokens count.
VOCABULARY = 2048
#: Tokens of a text that are read.
LENGTH = 512
#: Characters beyond which half of the training texts are long ones, of which words say enough.
LONG_TEXT = 200
#: Longest run of characters.
MOST_CHARACTERS = 3

_WORDS = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Vocabulary:
    """What is read of texts.

    Attributes:
        kind: of tokens, `"words"` or `"characters"`.
        tokens: the most frequent first.
        length: tokens of a text that are read.
    """

    kind: str
    tokens: tuple[str, ...]
    length: int

    @classmethod
    def of(
        cls, texts: Sequence[str], kind: str | None = None, size: int = VOCABULARY, length: int = LENGTH
    ) -> "Vocabulary":
        """The vocabulary of training texts.

        A token counts if two texts have it; a text is read as far as 19 of 20 training texts go, and no further than
        `length`.

        Args:
            texts: of the training rows.
            kind: of tokens; if left out words where half of the texts are longer than LONG_TEXT characters.
            size: most tokens.
            length: most tokens of a text.
        """
        kind = kind or ("words" if np.median([len(text) for text in texts]) > LONG_TEXT else "characters")
        found = [tokens_of(text, kind) for text in texts]
        counts = Counter(token for tokens in found for token in dict.fromkeys(tokens))
        frequent = sorted((-count, token) for token, count in counts.items() if count > 1)[:size]
        known = {token for _, token in frequent}
        lengths = [sum(token in known for token in tokens) for tokens in found]
        longest = max(1, min(length, round(float(np.quantile(lengths, 0.95)))))
        return cls(kind, tuple(token for _, token in frequent), longest)

    def __len__(self) -> int:
        return len(self.tokens)

    def numbers(self, texts: Sequence[str]) -> Tensor:
        """The first tokens of each text that the vocabulary has, shape (texts, length), int64; 0 behind the last."""
        places = {token: place + 1 for place, token in enumerate(self.tokens)}
        numbers = torch.zeros(len(texts), self.length, dtype=torch.int64)
        for row, text in enumerate(texts):
            known = [place for token in tokens_of(text, self.kind) if (place := places.get(token))][: self.length]
            numbers[row, : len(known)] = torch.tensor(known, dtype=torch.int64)
        return numbers


def tokens_of(text: str, kind: str) -> list[str]:
    """The tokens of a text in their order, letters small: words and marks, or runs of one to three characters.

    Example:
        >>> tokens_of("So, so!", "words")
        ['so', ',', 'so', '!']
        >>> tokens_of("Ab", "characters")
        [' ', ' a', ' ab', 'a', 'ab', 'ab ', 'b', 'b ', ' ']
    """
    small = " ".join(text.lower().split())
    if kind == "words" or not small:
        return _WORDS.findall(small)
    padded = f" {small} "
    ends = range(1, MOST_CHARACTERS + 1)
    return [padded[at : at + size] for at in range(len(padded)) for size in ends if at + size <= len(padded)]
