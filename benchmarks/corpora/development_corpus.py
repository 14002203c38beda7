"""The development corpus: small real tasks of six kinds, from the data folder beside the checkout.

    metaopt tune benchmarks.corpora.development_corpus:corpus --out out/development
    python -m benchmarks.corpora.development_corpus [--data ../shared/data] [--members 100]  # what it holds, ms a step

| tasks | data | licence |
|---|---|---|
| 19 tables | UCI, by way of PMLB and uci_datasets | CC BY 4.0 |
| digits by a perceptron and a small convolutional network | MNIST, 7,000 test digits | CC BY-SA 3.0 |
| characters of three alphabets, told apart | Omniglot | MIT |
| the next character of a text | Tiny Shakespeare; WikiText-2, half of the test part | public domain; CC BY-SA 3.0 |
| the next value of a series | CO2 at Mauna Loa, daily weather, US employment | CC BY 4.0; US government works |

Every task trains as a vmapped population. Splits and weights are the same on every machine. Writers of characters,
pages of text and years of a series are never on both sides of a split. Rows that are reserved for judging
(`benchmarks.corpora.judging_rows`) are not read.
"""

import argparse
import csv
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import metaopt
from benchmarks.corpora import judging_rows
from benchmarks.corpora.description import describe
from benchmarks.corpora.texts import coded, numbered
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits
from metaopt_corpora._shared.transformer import SmallTransformer
from metaopt_corpora.sequences import GRU

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
#: Files and folders that the corpus reads.
NEEDED = (
    "tabular",
    "mnist_t10k/t10k-images-idx3-ubyte.gz",
    "mnist_t10k/t10k-labels-idx1-ubyte.gz",
    "omniglot/characters.csv",
    "omniglot/images_background.npz",
    "tinyshakespeare/input.txt",
    "wikitext2/valid.txt",
    "wikitext2/test.txt",
    "timeseries/co2-concentration.csv",
    "timeseries/weather.csv",
    "timeseries/us-employment.csv",
)
#: Numbers are rounded to multiples of this, so that a processor's last bits do not change a fingerprint.
GRID = 2.0**-12
PIXELS = 14
CONTEXT = 16
#: The most frequent characters of a text; all others are one more.
VOCABULARY = 64


def corpus() -> metaopt.Corpus:
    """The corpus over the data beside the checkout."""
    return development_corpus()


def development_corpus(data: str | Path = DATA) -> metaopt.Corpus:
    """The corpus over `data`; images, texts and series are read when first needed.

    Args:
        data: the folder that holds `tabular/`, `mnist_t10k/`, `omniglot/` and so on.

    Raises:
        InputError: a file or folder is missing.
    """
    folder = Path(data)
    missing = [name for name in NEEDED if not (folder / name).exists()]
    if missing:
        raise metaopt.InputError(
            f"The development corpus reads {str(folder)!r}, which lacks {', '.join(missing)}; "
            "name the folder that holds them."
        )
    tables = metaopt.load_corpus(folder / "tabular").tasks
    others = (*mnist(folder), *omniglot(folder), *characters(folder), *series(folder))
    return metaopt.Corpus("development", (*tables, *others))


# Images


def mnist(folder: Path) -> list[metaopt.Task]:
    """7,000 digits, 14 × 14: 500 to validate, 1,000 to test (fewer for the convolutions), the rest to train."""
    task = partial(metaopt.Task, family="mnist", loss=F.cross_entropy, num_validations=15)
    splits = partial(mnist_splits, folder)
    images = partial(splits, sizes=(200, 300), as_images=True)
    perceptron = partial(mlp, (PIXELS**2, 32, 10))
    return [
        task(name="mnist_mlp", model=perceptron, data=partial(splits, sizes=(500, 1000)), batch_size=64, num_steps=300),
        task(
            name="mnist_cnn", model=partial(SmallCNN, 10), data=images, batch_size=16, num_steps=200, num_validations=10
        ),
    ]


def mnist_splits(folder: Path, sizes: tuple[int, int], *, as_images: bool = False) -> metaopt.Splits:
    """Grey levels from -1 to 1, halved in width and height."""
    images, labels = judging_rows.digits(folder)
    small = F.avg_pool2d(images.double()[:, None], 2) / 128 - 1
    return make_splits(small if as_images else small.flatten(1), labels, sizes)


def omniglot(folder: Path) -> list[metaopt.Task]:
    """Which character of an alphabet it is; 12 writers to train on, 4 to validate, 4 to test."""
    task = partial(metaopt.Task, family="omniglot", loss=F.cross_entropy, num_validations=15)
    splits = partial(omniglot_splits, folder / "omniglot")
    cyrillic = partial(splits, "Cyrillic", 20)
    korean = partial(splits, "Korean", 40)
    hiragana = partial(splits, "Japanese_(hiragana)", 20, as_images=True)
    return [
        task(name="cyrillic_mlp", model=partial(mlp, (PIXELS**2, 32, 20)), data=cyrillic, batch_size=32, num_steps=250),
        task(name="korean_mlp", model=partial(mlp, (PIXELS**2, 32, 32, 40)), data=korean, batch_size=32, num_steps=300),
        task(name="hiragana_cnn", model=partial(SmallCNN, 20), data=hiragana, batch_size=16, num_steps=200),
    ]


def omniglot_splits(folder: Path, alphabet: str, count: int, *, as_images: bool = False) -> metaopt.Splits:
    """The first characters of an alphabet, 14 × 14, ink 1 and paper -1; writers are never shared between splits."""
    with open(folder / "characters.csv", encoding="utf-8", newline="") as file:
        of_alphabet = [row for row in csv.DictReader(file) if row["alphabet"] == alphabet]
    rows = [int(row["row"]) for row in of_alphabet if row["set"] == "background"][:count]
    with np.load(folder / judging_rows.OPEN_OMNIGLOT) as packed:
        paper = torch.from_numpy(packed["images"][rows]).double()  # (characters, 20 writers, 105, 105)
    images = on_grid(1 - 2 * F.adaptive_avg_pool2d(paper, PIXELS))
    labels = torch.arange(count)[:, None].expand(count, 20)
    parts = (slice(0, 12), slice(12, 16), slice(16, 20))
    shape = (-1, 1, PIXELS, PIXELS) if as_images else (-1, PIXELS**2)
    return metaopt.Splits(
        *(metaopt.Split(images[:, part].reshape(shape), labels[:, part].reshape(-1)) for part in parts)
    )


class SmallCNN(nn.Module):
    """Two strided convolutions, then a linear layer: (n, 1, side, side) to (n, num_classes)."""

    def __init__(self, num_classes: int, channels: tuple[int, int] = (8, 12), side: int = PIXELS) -> None:
        super().__init__()
        first, second = channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, first, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second * math.ceil(side / 4) ** 2, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.layers(images)
        return output


# Language


def characters(folder: Path) -> list[metaopt.Task]:
    """The next character after 16: by a perceptron, and at each of 16 places by one block of attention."""
    task = partial(metaopt.Task, family="characters", loss=F.cross_entropy, num_validations=10)
    perceptron = partial(CharacterMLP, VOCABULARY + 1)
    attention = partial(SmallTransformer, VOCABULARY + 1, CONTEXT)
    tasks = []
    for name in ("shakespeare", "wikitext"):
        last, each = partial(text_splits, folder, name), partial(text_splits, folder, name, each_place=True)
        tasks += [
            task(name=f"{name}_mlp", model=perceptron, data=last, batch_size=48, num_steps=400),
            task(name=f"{name}_attention", model=attention, data=each, batch_size=6, num_steps=300),
        ]
    return tasks


def text_splits(folder: Path, name: str, *, each_place: bool = False) -> metaopt.Splits:
    """Windows of a text: 20,000 from its first 90 %, 400 from the next 5 %, 800 from the last; fewer for each place.

    Args:
        folder: of the data.
        name: `"shakespeare"`, or `"wikitext"`, whose own test text is for testing.
        each_place: targets are the next character at every place, not after the last one alone.
    """
    texts = (
        [judging_rows.shakespeare(folder)]
        if name == "shakespeare"
        else [judging_rows.wikitext_validation(folder), judging_rows.wikitext_test(folder)]
    )
    known = numbered(texts[0], VOCABULARY)
    pages = [coded(text, known) for text in texts]
    if len(pages) == 1:
        ends = int(0.9 * len(pages[0])), int(0.95 * len(pages[0]))
        parts = pages[0][: ends[0]], pages[0][ends[0] : ends[1]], pages[0][ends[1] :]
    else:
        end = int(0.95 * len(pages[0]))
        parts = pages[0][:end], pages[0][end:], pages[1]
    counts = (5_000, 64, 128) if each_place else (20_000, 400, 800)
    return metaopt.Splits(*(_windows(part, count, each_place) for part, count in zip(parts, counts, strict=True)))


def _windows(text: Tensor, count: int, each_place: bool) -> metaopt.Split:
    starts = torch.arange(count) * (len(text) - CONTEXT - 1) // count
    windows = text[starts[:, None] + torch.arange(CONTEXT + 1)]
    return metaopt.Split(
        windows[:, :-1].contiguous(), windows[:, 1:].contiguous() if each_place else windows[:, -1].clone()
    )


class CharacterMLP(nn.Module):
    """Embeddings of 16 characters side by side, one hidden layer (Bengio et al., JMLR 3, 2003): (n, 16) to (n, V)."""

    def __init__(self, vocabulary: int, width: int = 6, hidden: int = 40) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.Sequential(nn.Linear(CONTEXT * width, hidden), nn.Tanh(), nn.Linear(hidden, vocabulary))

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.layers(self.embedding(tokens).flatten(1))
        return output


# Series


def series(folder: Path) -> list[metaopt.Task]:
    """The next change from the last ones; the latest fifth of the time tests, the fifth before it validates."""
    task = partial(metaopt.Task, family="series", loss=F.mse_loss, num_validations=15)
    times = folder / "timeseries"
    co2 = partial(co2_splits, times / "co2-concentration.csv")
    flat = partial(weather_splits, times / "weather.csv", as_sequence=False)
    sequence = partial(weather_splits, times / "weather.csv", as_sequence=True)
    jobs = partial(employment_splits, times / "us-employment.csv")
    return [
        task(name="co2_mlp", model=partial(mlp, (24, 24, 1), nn.Tanh), data=co2, batch_size=32, num_steps=250),
        task(name="weather_mlp", model=partial(mlp, (40, 24, 24, 1)), data=flat, batch_size=32, num_steps=250),
        task(name="weather_gru", model=partial(GRU, 4, 12, 1), data=sequence, batch_size=32, num_steps=250),
        task(name="employment_mlp", model=partial(mlp, (12, 16, 1), nn.SiLU), data=jobs, batch_size=32, num_steps=250),
    ]


def co2_splits(path: Path) -> metaopt.Splits:
    """The next month's change from the last 24, in ppm; 740 months, one series."""
    changes = np.diff(np.asarray([float(row["CO2"]) for row in _rows(path)]))
    return _chronological(changes[:, None, None], window=24)


def weather_splits(path: Path, *, as_sequence: bool) -> metaopt.Splits:
    """Tomorrow's highest temperature from 10 days of four measurements; 4 years of Seattle and of New York."""
    names = ("temp_max", "temp_min", "precipitation", "wind")
    rows = _rows(path)
    places = sorted({row["location"] for row in rows})
    values = [[[float(row[name]) for name in names] for row in rows if row["location"] == place] for place in places]
    return _chronological(np.asarray(values).transpose(1, 0, 2), window=10, as_sequence=as_sequence)


def employment_splits(path: Path) -> metaopt.Splits:
    """The next month's growth from the last 12 months', in each of 22 sectors from 2006 to 2015."""
    rows = _rows(path)
    sectors = [name for name in rows[0] if name not in ("month", "nonfarm_change")]
    levels = np.asarray([[float(row[name]) for name in sectors] for row in rows])
    return _chronological(np.diff(np.log(levels), axis=0)[:, :, None], window=12)


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _chronological(values: NDArray[np.float64], window: int, *, as_sequence: bool = False) -> metaopt.Splits:
    """Windows and the first channel's next value, scaled by what was known in the training years.

    Args:
        values: shape (times, series, channels).
        window: times in an input.
        as_sequence: inputs of shape (n, window, channels) instead of (n, window · channels).
    """
    ends = [0, int(0.6 * len(values)), int(0.8 * len(values)), len(values)]
    known = values[: ends[1]]
    scaled = on_grid(torch.from_numpy((values - known.mean((0, 1))) / known.std((0, 1))))
    parts = []
    for begin, end in pairwise(ends):
        windows = scaled[begin:end].unfold(0, window + 1, 1).transpose(2, 3).flatten(0, 1)  # (n, window + 1, channels)
        inputs = windows[:, :-1].contiguous()
        parts.append(metaopt.Split(inputs if as_sequence else inputs.flatten(1), windows[:, -1, :1].contiguous()))
    return metaopt.Splits(*parts)


def on_grid(values: Tensor) -> Tensor:
    """Rounded to multiples of GRID, float32."""
    return (torch.round(values.double() / GRID) * GRID).float()


def main(arguments: Sequence[str] | None = None, show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data")
    parser.add_argument("--members", type=int, default=100, help="size of the population that is timed")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    corpus = development_corpus(options.data)
    for line in describe([task for task in corpus if isinstance(task, metaopt.Task)], options.members):
        show(line)
    show(f"{len(corpus)} tasks; fingerprint {corpus.fingerprint}")


if __name__ == "__main__":
    try:
        main()
    except metaopt.MetaOptError as error:
        raise SystemExit(str(error)) from None
