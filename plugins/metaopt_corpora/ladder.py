"""A small ladder: transformers, convolutions with norms, recurrent units and perceptrons at several widths.

A family has one architecture and one data set, and its tasks differ in width alone, so that what a rate owes to the
number of parameters can be told from the rest: from 10³ to 10⁵.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.transformer import SmallTransformer
from metaopt_corpora.digits import digits_splits
from metaopt_corpora.sequences import GRU

#: Letters and the space between words; characters that a model reads.
VOCABULARY, CONTEXT = 27, 12
#: Words of the generated text, words that may follow each, and all that are written.
LEXICON, FOLLOWERS, WORDS = 48, 4, 4_000


def tasks() -> list[metaopt.Task]:
    """One, four, and for perceptrons sixteen times the width."""
    at_each_place, last = text_splits, partial(text_splits, each_place=False)
    images, pixels = partial(digits_splits, as_images=True), digits_splits
    transformer, gru = (partial(_in_float32, model) for model in (partial(_transformer, 8), partial(TextGRU, 8)))
    cnn, perceptron = partial(_normed_cnn, 8), partial(_perceptron, 16)
    return [
        _task("text_transformer", 1, transformer, at_each_place, batch_size=8, num_steps=150),
        _task("text_transformer", 4, transformer, at_each_place, batch_size=8, num_steps=100),
        _task("text_gru", 1, gru, last, batch_size=16, num_steps=150),
        _task("text_gru", 4, gru, last, batch_size=8, num_steps=100),
        _task("normed_cnn", 1, cnn, images, batch_size=16, num_steps=150),
        _task("normed_cnn", 4, cnn, images, batch_size=8, num_steps=100),
        _task("wide_mlp", 1, perceptron, pixels, batch_size=32, num_steps=200),
        _task("wide_mlp", 4, perceptron, pixels, batch_size=16, num_steps=150),
        _task("wide_mlp", 16, perceptron, pixels, batch_size=8, num_steps=100),
    ]


def _task(
    family: str,
    times: int,
    model: Callable[[float], nn.Module],
    data: Callable[[], metaopt.Splits],
    *,
    batch_size: int,
    num_steps: int,
) -> metaopt.Task:
    return metaopt.Task(
        name=f"{family}_width_{times}",
        family=f"{family}_ladder",
        model=partial(model, times),
        data=data,
        loss=F.cross_entropy,
        batch_size=batch_size,
        num_steps=num_steps,
        num_validations=10,
        widened=partial(_widened, model, times),
    )


def _widened(model: Callable[[float], nn.Module], times: int, width: float) -> nn.Module:
    return model(times * width)


# Models, at so many times a width


def _in_float32(model: Callable[[float], nn.Module], times: float) -> nn.Module:
    """The model in float32, whatever torch's default is: inputs that are whole numbers do not say what they expect."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        return model(times)
    finally:
        torch.set_default_dtype(default)


def _transformer(width: int, times: float) -> nn.Module:
    return SmallTransformer(VOCABULARY, CONTEXT, 2 * round(times * width / 2))


def _normed_cnn(width: int, times: float) -> nn.Module:
    """Two strided convolutions of 8 × 8 pixels with GroupNorm, the mean over the image, a linear layer."""
    channels = 4 * round(times * width / 4)
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, stride=2, padding=1, bias=False),
        nn.GroupNorm(4, channels),
        nn.SiLU(),
        nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
        nn.GroupNorm(4, channels),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(4 * channels, 10),
    )


def _perceptron(width: int, times: float) -> nn.Module:
    return mlp((64, width, width, 10), width=times)


class TextGRU(nn.Module):
    """Embeddings into a gated recurrent unit twice as wide: (n, 12) characters to (n, 27).

    Args:
        width: of the embeddings.
        times: by how much wider all of it is.
    """

    def __init__(self, width: int, times: float) -> None:
        super().__init__()
        width = round(times * width)
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.unit = GRU(width, 2 * width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the character that follows the last one."""
        output: Tensor = self.unit(self.embedding(tokens))
        return output


# Text


def text_splits(*, each_place: bool = True) -> metaopt.Splits:
    """Windows of 12 characters of the generated text, in turn 2,000 to train, 100 to validate, 200 to test.

    Args:
        each_place: targets are the next character at every place, not after the last one alone.
    """
    text = generated_text()
    parts, begin = [], 0
    for share, count in ((0.8, 2_000), (0.9, 100), (1.0, 200)):
        end = int(share * len(text))
        starts = begin + torch.arange(count) * (end - begin - CONTEXT - 1) // count
        windows = text[starts[:, None] + torch.arange(CONTEXT + 1)]
        targets = windows[:, 1:].contiguous() if each_place else windows[:, -1].clone()
        parts.append(metaopt.Split(windows[:, :-1].contiguous(), targets))
        begin = end
    return metaopt.Splits(*parts)


def generated_text(seed: int = 0) -> Tensor:
    """Words of one to three syllables, each followed by one of four others: int64, shape (characters,).

    A syllable is a consonant and a vowel, letters are 0, …, 25, the space after a word is 26.

    Args:
        seed: of everything random.
    """
    generator = torch.Generator().manual_seed(seed)
    vowels = torch.tensor([0, 4, 8, 14, 20])
    consonants = torch.tensor([letter for letter in range(26) if letter not in vowels])
    draw = partial(torch.randint, generator=generator)
    syllables = torch.stack([consonants[draw(21, (LEXICON, 3))], vowels[draw(5, (LEXICON, 3))]], dim=2)
    lengths = 1 + draw(3, (LEXICON,))
    space = torch.tensor([26])
    lexicon = [torch.cat([syllables[word, : lengths[word]].flatten(), space]) for word in range(LEXICON)]
    followers = draw(LEXICON, (LEXICON, FOLLOWERS)).tolist()
    word, written = 0, []
    for choice in draw(FOLLOWERS, (WORDS,)).tolist():
        word = followers[word][choice]
        written.append(lexicon[word])
    return torch.cat(written)
