"""Small transformers, convolutions with norms and GRUs of 10⁴ to 10⁵ parameters on real data: a corpus to tune on.

    metaopt tune benchmarks.corpora.real_models:corpus --out out/real_models
    python -m benchmarks.corpora.real_models [--data ../shared/data] [--members 20]  # what it holds, ms a step

What `tune` hands over here is judged by `benchmarks.recipes.drop_in`, so nothing that is reserved for judging
(`benchmarks.corpora.judging_rows`) is read. The data and their licences are those of
`benchmarks.corpora.development_corpus`.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from benchmarks.corpora import judging_rows
from benchmarks.corpora.description import describe
from benchmarks.corpora.development_corpus import (
    DATA,
    VOCABULARY,
    omniglot_splits,
    weather_splits,
)
from benchmarks.corpora.texts import coded, numbered, window_splits
from benchmarks.recipes.drop_in_models import Residual, Transformer
from metaopt_corpora.sequences import GRU

#: Open digits in order: to train, to validate, to test.
DIGITS_PARTS = (5_500, 500, 1_000)
#: Tiny Shakespeare and WikiText-2, as far as they are open, and how many characters a model sees of them.
TEXTS = (judging_rows.shakespeare, judging_rows.wikitext_validation)
CONTEXT = 32


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
    shakespeare, wikitext = (partial(text_splits, read, folder, each_place=True) for read in TEXTS)
    return [
        task(name="shakespeare_32x1", model=partial(model_of_text, 32, 1), data=shakespeare, num_steps=250),
        task(name="shakespeare_48x2", model=partial(model_of_text, 48, 2), data=shakespeare, num_steps=250),
        task(name="wikitext_24x3", model=partial(model_of_text, 24, 3), data=wikitext, num_steps=250),
        task(name="wikitext_40x2", model=partial(model_of_text, 40, 2), data=wikitext, num_steps=300),
    ]


def model_of_text(width: int, layers: int) -> nn.Module:
    """The transformer of `drop_in`, narrower."""
    return Transformer(VOCABULARY + 1, CONTEXT, width=width, heads=2, layers=layers)


def text_splits(read: Callable[[Path], str], folder: Path, *, each_place: bool) -> metaopt.Splits:
    """Windows of 32 characters, and the next character after the last one, or after each."""
    text = read(folder)
    counts = (8_000, 96, 192) if each_place else (20_000, 400, 800)
    return window_splits(coded(text, numbered(text, VOCABULARY)), CONTEXT, counts, each_place=each_place)


# Convolutions


def convolutions(folder: Path) -> list[metaopt.Task]:
    """Digits and characters, by residual networks with BatchNorm and by plain ones with GroupNorm."""
    task = partial(metaopt.Task, family="convolutions", loss=F.cross_entropy, num_validations=10, batch_size=24)
    images = partial(digits_splits, folder)
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
    images, labels = judging_rows.digits(folder)
    small = F.avg_pool2d(images[:, None].float() / 255 - 0.13, 2)
    parts = zip(small.split(DIGITS_PARTS), labels.split(DIGITS_PARTS), strict=True)
    return metaopt.Splits(*(metaopt.Split(*part) for part in parts))


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
    shakespeare, wikitext = (partial(text_splits, read, folder, each_place=False) for read in TEXTS)
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
