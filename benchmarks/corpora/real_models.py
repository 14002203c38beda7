"""Small transformers, convolutions with norms and GRUs of 10⁴ to 10⁵ parameters on real data: a corpus to tune on.

    metaopt tune benchmarks.corpora.real_models:corpus --out out/real_models
    python -m benchmarks.corpora.real_models [--data ../shared/data] [--members 20]  # what it holds, ms a step

What `tune` hands over here is judged by `benchmarks.recipes.drop_in`, so nothing that `drop_in` validates or tests on
is read: of Tiny Shakespeare the first nine tenths, of the digits the first 7,000 in the order of `drop_in`. Alphabets
of Omniglot, WikiText-2 and the weather are not in `drop_in` at all. The data and their licences are those of
`benchmarks.corpora.development_corpus`.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from benchmarks.corpora.development_corpus import (
    DATA,
    VOCABULARY,
    describe,
    omniglot_splits,
    weather_splits,
)
from benchmarks.recipes.drop_in_models import Residual, Transformer, digits
from metaopt_corpora.sequences import GRU

#: Rows of `drop_in`'s digits that it trains on, and the share of its text; all others validate and test there.
DIGITS, SHARE_OF_TEXT = 7_000, 0.9
#: Of these digits and this text, in order: to train, to validate, to test.
DIGITS_PARTS, TEXT_PARTS = (5_500, 500, 1_000), (0.8, 0.85, 0.9)


def corpus() -> metaopt.Corpus:
    """The corpus over the data beside the checkout."""
    return real_models(DATA)


def real_models(data: str | Path) -> metaopt.Corpus:
    """The corpus over `data`; images and texts are read when first needed.

    Args:
        data: the folder that holds `tinyshakespeare/`, `wikitext2/`, `mnist_t10k/`, `omniglot/` and `timeseries/`.
    """
    folder = Path(data)
    return metaopt.Corpus("real_models", (*transformers(folder), *convolutions(folder), *recurrent(folder)))


# Transformers


def transformers(folder: Path) -> list[metaopt.Task]:
    """The next character at each of 32 places, by 18,000 to 64,000 parameters."""
    task = partial(metaopt.Task, family="transformers", loss=F.cross_entropy, num_validations=10, batch_size=12)
    shakespeare, wikitext = (partial(text_splits, text, each_place=True) for text in texts(folder))
    return [
        task(name="shakespeare_32x1", model=partial(model_of_text, 32, 1), data=shakespeare, num_steps=250),
        task(name="shakespeare_48x2", model=partial(model_of_text, 48, 2), data=shakespeare, num_steps=250),
        task(name="wikitext_24x3", model=partial(model_of_text, 24, 3), data=wikitext, num_steps=250),
        task(name="wikitext_40x2", model=partial(model_of_text, 40, 2), data=wikitext, num_steps=300),
    ]


CONTEXT = 32


def model_of_text(width: int, layers: int) -> nn.Module:
    """The transformer of `drop_in`, narrower."""
    return Transformer(VOCABULARY + 1, CONTEXT, width=width, heads=2, layers=layers)


def texts(folder: Path) -> tuple[tuple[Path, float], tuple[Path, float]]:
    """Files, and the share of each that may be read."""
    return (folder / "tinyshakespeare" / "input.txt", SHARE_OF_TEXT), (folder / "wikitext2" / "valid.txt", 1.0)


def text_splits(source: tuple[Path, float], *, each_place: bool) -> metaopt.Splits:
    """Windows of a text's first part, in turn to train, to validate and to test.

    Args:
        source: the file, and the share of it that is read.
        each_place: targets are the next character at every place, not after the last one alone.
    """
    file, share = source
    codes = text_codes(file.read_text(encoding="utf-8"))
    codes = codes[: int(share * len(codes))]
    ends = [0, *(int(part / TEXT_PARTS[-1] * len(codes)) for part in TEXT_PARTS)]
    counts = (8_000, 96, 192) if each_place else (20_000, 400, 800)
    parts = []
    for begin, end, count in zip(ends, ends[1:], counts, strict=False):
        starts = begin + torch.arange(count) * (end - begin - CONTEXT - 1) // count
        windows = codes[starts[:, None] + torch.arange(CONTEXT + 1)]
        targets = windows[:, 1:].contiguous() if each_place else windows[:, -1].clone()
        parts.append(metaopt.Split(windows[:, :-1].contiguous(), targets))
    return metaopt.Splits(*parts)


def text_codes(text: str) -> Tensor:
    """A text in its most frequent characters, and one for all others, shape (characters,)."""
    counts = Counter(text)
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    codes = {character: code for code, character in enumerate(frequent[:VOCABULARY])}
    return torch.tensor([codes.get(character, VOCABULARY) for character in text])


# Convolutions


def convolutions(folder: Path) -> list[metaopt.Task]:
    """Digits and characters, by residual networks with BatchNorm and by plain ones with GroupNorm."""
    task = partial(metaopt.Task, family="convolutions", loss=F.cross_entropy, num_validations=10, batch_size=24)
    images = partial(digits_splits, folder / "mnist_t10k")
    latin, katakana = (
        partial(omniglot_splits, folder / "omniglot", alphabet, 20, as_images=True)
        for alphabet in ("Latin", "Japanese_(katakana)")
    )
    return [
        task(name="digits_residual", model=partial(residual, 10), data=images, num_steps=200),
        task(name="digits_group_norm", model=partial(group_norm, 10), data=images, num_steps=200),
        task(name="latin_residual", model=partial(residual, 20), data=latin, num_steps=200),
        task(name="katakana_group_norm", model=partial(group_norm, 20), data=katakana, num_steps=200),
    ]


def digits_splits(folder: Path) -> metaopt.Splits:
    """The digits that `drop_in` trains on, 14 × 14, in its order."""
    inputs, targets = digits(folder)
    small = F.avg_pool2d(inputs[:DIGITS], 2)
    return metaopt.Splits(
        *(
            metaopt.Split(*part)
            for part in zip(small.split(DIGITS_PARTS), targets[:DIGITS].split(DIGITS_PARTS), strict=True)
        )
    )


def residual(num_classes: int) -> nn.Module:
    """The residual network of `drop_in` with two blocks instead of three: 11,000 parameters."""
    return nn.Sequential(
        Residual(1, 12, 2), Residual(12, 24, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, num_classes)
    )


def group_norm(num_classes: int) -> nn.Module:
    """Three convolutions with GroupNorm, then a linear layer: 20,000 parameters."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((1, 16, 2), (16, 32, 2), (32, 48, 1)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.GroupNorm(4, outputs), nn.SiLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, num_classes))


# Recurrent


def recurrent(folder: Path) -> list[metaopt.Task]:
    """The next character after 32, and tomorrow's temperature after ten days."""
    task = partial(metaopt.Task, family="recurrent", num_validations=10, batch_size=32)
    shakespeare, wikitext = (partial(text_splits, text, each_place=False) for text in texts(folder))
    weather = partial(weather_splits, folder / "timeseries" / "weather.csv", as_sequence=True)
    characters = partial(task, loss=F.cross_entropy, num_steps=250)
    return [
        characters(name="shakespeare_gru", model=partial(CharacterGRU, 24, 64), data=shakespeare),
        characters(name="wikitext_gru", model=partial(CharacterGRU, 16, 48), data=wikitext),
        task(name="weather_gru_64", model=partial(GRU, 4, 64, 1), data=weather, loss=F.mse_loss, num_steps=200),
    ]


class CharacterGRU(nn.Module):
    """Embeddings into a gated recurrent unit: (n, 32) to (n, V)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY + 1, width)
        self.unit = GRU(width, hidden, VOCABULARY + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.unit(self.embedding(tokens))
        return output


def main(arguments: Sequence[str] | None = None, show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data")
    parser.add_argument("--members", type=int, default=20, help="size of the population that is timed")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tasks = real_models(options.data)
    for line in describe([task for task in tasks if isinstance(task, metaopt.Task)], options.members):
        show(line)
    show(f"{len(tasks)} tasks; fingerprint {tasks.fingerprint}")


if __name__ == "__main__":
    main()
