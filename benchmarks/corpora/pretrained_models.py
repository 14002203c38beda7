"""Small models that are trained on one half of the data, as starts for fine-tunings on the other.

    python -m benchmarks.corpora.finetuning --pretrain [--data ../shared/data] [--weights out/finetuning]

Weights are no part of the repository. A fine-tuning's fingerprint counts their values.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from benchmarks.corpora import judging_rows
from benchmarks.corpora.development_corpus import PIXELS, VOCABULARY, omniglot_splits, on_grid
from benchmarks.corpora.real_models import CONTEXT, group_norm
from benchmarks.corpora.texts import coded, numbered, window_splits
from benchmarks.recipes.drop_in_models import Residual, Transformer
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

WEIGHTS = Path(__file__).resolve().parents[2] / "out" / "finetuning"
STEPS, BATCH_SIZE, RATE = 1_200, 64, 2e-3
#: Alphabets of Omniglot that are told apart before, by models of the tuning tasks and of those held out.
ALPHABETS = ("Tifinagh", "Bengali", "Grantha", "Sanskrit", "Malay_(Jawi_-_Arabic)")
OTHER_ALPHABETS = ("Mkhedruli_(Georgian)", "Asomtavruli_(Georgian)", "Anglo-Saxon_Futhorc", "Arcadian", "N_Ko")


@dataclass(frozen=True)
class Pretraining:
    """A model and what it is trained on before.

    Attributes:
        model: makes it, for so many outputs.
        num_outputs: of the model that is trained before.
        data: its splits, from the folder of the data.
        head: name of the child that makes the output.
        last: beginnings of names of parameters that train where only the last layers do.
    """

    model: Callable[[int], nn.Module]
    num_outputs: int
    data: Callable[[Path], metaopt.Splits]
    head: str
    last: tuple[str, ...]


# Models


def text_model(num_outputs: int, width: int, layers: int) -> nn.Module:
    """The transformer of `drop_in`, narrower: tokens (n, 32) to (n, V, 32)."""
    return Transformer(num_outputs, CONTEXT, width=width, heads=2, layers=layers)


class VisionTransformer(nn.Module):
    """Attention over patches of an image and the mean of their last states (Dosovitskiy et al., arXiv:2010.11929).

    Args:
        num_outputs: classes.
        width: numbers a patch.
        layers: blocks.
        patch: pixels on a side.
    """

    def __init__(self, num_outputs: int, width: int = 32, layers: int = 2, patch: int = 2) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn((PIXELS // patch) ** 2, width))
        self.blocks = nn.Sequential(*(PatchBlock(width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        states = self.blocks(self.patches(images).flatten(2).transpose(1, 2) + self.positions)
        output: Tensor = self.head(self.norm(states).mean(1))
        return output


class PatchBlock(nn.Module):
    """Attention among all places, then a perceptron at each, LayerNorm before both: (n, places, width) to the same."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, states: Tensor) -> Tensor:
        parts = self.qkv(self.norms[0](states)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts)
        states = states + self.out(mixed.transpose(1, 2).flatten(2))
        output: Tensor = states + self.mlp(self.norms[1](states))
        return output


def residual_model(num_outputs: int) -> nn.Module:
    """Two residual blocks with BatchNorm."""
    blocks = Residual(1, 16, 2), Residual(16, 32, 2)
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, num_outputs))


def table_model(num_outputs: int, num_inputs: int) -> nn.Module:
    """A perceptron with two hidden layers."""
    return mlp((num_inputs, 64, 64, num_outputs))


# Data


def text_half(folder: Path, name: str, half: int, known: str) -> metaopt.Splits:
    """Windows of one half of a text that is open to corpora, in the characters that are frequent in another.

    Args:
        folder: of the data.
        name: `"shakespeare"` or `"wikitext"`.
        half: 0 or 1.
        known: the text whose frequent characters are told apart.
    """
    read = {"shakespeare": judging_rows.shakespeare, "wikitext": judging_rows.wikitext_validation}
    numbers = numbered(read[known](folder), VOCABULARY)
    codes = coded(read[name](folder), numbers)
    middle = len(codes) // 2
    return window_splits(codes[half * middle : (half + 1) * middle], CONTEXT, (6_000, 96, 192), each_place=True)


def alphabets(folder: Path, names: tuple[str, ...]) -> metaopt.Splits:
    """Which character of several alphabets it is; writers are never shared between splits."""
    parts = [omniglot_splits(folder / "omniglot", name, 26, as_images=True) for name in names]
    joined = []
    for kind in ("train", "validation", "test"):
        splits = [getattr(part, kind) for part in parts]
        targets = [split.targets + 26 * index for index, split in enumerate(splits)]
        joined.append(metaopt.Split(torch.cat([split.inputs for split in splits]), torch.cat(targets)))
    return metaopt.Splits(*joined)


def digits_half(folder: Path, half: int, count: int) -> metaopt.Splits:
    """The first `count` digits of one half of those that are open to corpora, 14 × 14, from -1 to 1."""
    images, labels = judging_rows.digits(folder)
    begin = half * (len(labels) // 2)
    small = on_grid(F.avg_pool2d(images[begin : begin + count].double()[:, None], 2) / 128 - 1)
    return make_splits(small, labels[begin : begin + count], (count // 6, count // 4))


def classes(folder: Path, name: str, begin: int, end: int) -> metaopt.Splits:
    """The rows of a table with some of its classes, counted from 0."""
    splits = metaopt.load_corpus(folder / "tabular")[name].splits

    def some(split: metaopt.Split) -> metaopt.Split:
        rows = (split.targets >= begin) & (split.targets < end)
        return metaopt.Split(split.inputs[rows], split.targets[rows] - begin)

    return metaopt.Splits(some(splits.train), some(splits.validation), some(splits.test))


#: Before the tuning tasks, and before those held out.
PRETRAININGS = {
    "shakespeare_transformer": Pretraining(
        partial(text_model, width=48, layers=2),
        VOCABULARY + 1,
        partial(text_half, name="shakespeare", half=0, known="shakespeare"),
        "head",
        ("blocks.1.", "head."),
    ),
    "alphabets_convolutions": Pretraining(
        group_norm, 26 * len(ALPHABETS), partial(alphabets, names=ALPHABETS), "11", ("6.", "7.", "11.")
    ),
    "alphabets_vit": Pretraining(
        VisionTransformer,
        26 * len(ALPHABETS),
        partial(alphabets, names=ALPHABETS),
        "head",
        ("blocks.1.", "norm.", "head."),
    ),
    "letters_mlp": Pretraining(
        partial(table_model, num_inputs=16), 13, partial(classes, name="letter", begin=0, end=13), "4", ("2.", "4.")
    ),
    "pendigits_mlp": Pretraining(
        partial(table_model, num_inputs=16), 5, partial(classes, name="pendigits", begin=0, end=5), "4", ("2.", "4.")
    ),
    "wikitext_transformer": Pretraining(
        partial(text_model, width=40, layers=3),
        VOCABULARY + 1,
        partial(text_half, name="wikitext", half=1, known="wikitext"),
        "head",
        ("blocks.2.", "head."),
    ),
    "alphabets_residual": Pretraining(
        residual_model, 26 * len(OTHER_ALPHABETS), partial(alphabets, names=OTHER_ALPHABETS), "4", ("1.", "4.")
    ),
    "digits_vit": Pretraining(
        partial(VisionTransformer, width=40),
        10,
        partial(digits_half, half=0, count=3_500),
        "head",
        ("blocks.1.", "norm.", "head."),
    ),
    "optdigits_mlp": Pretraining(
        partial(table_model, num_inputs=64), 5, partial(classes, name="optdigits", begin=0, end=5), "4", ("2.", "4.")
    ),
}


def pretrain(name: str, data: Path, weights: Path, num_steps: int = STEPS) -> tuple[float, float]:
    """Train a model by AdamW with 5 % warm-up and cosine decay, and keep its weights; returns its validation losses.

    Returns:
        Before the first step, and after the last.
    """
    pretraining = PRETRAININGS[name]
    splits = pretraining.data(data)
    torch.manual_seed(0)
    model = pretraining.model(pretraining.num_outputs)
    before = validation_loss(model, splits)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_rate, num_steps=num_steps))
    for _ in range(num_steps):
        rows = torch.randint(len(splits.train), (BATCH_SIZE,))
        optimizer.zero_grad()
        F.cross_entropy(model(splits.train.inputs[rows]), splits.train.targets[rows]).backward()
        optimizer.step()
        scheduler.step()
    weights.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), weights / f"{name}.pt")
    return before, validation_loss(model, splits)


@torch.no_grad()
def validation_loss(model: nn.Module, splits: metaopt.Splits) -> float:
    """Of the model in eval mode, which it does not stay in."""
    loss = float(F.cross_entropy(model.eval()(splits.validation.inputs), splits.validation.targets))
    model.train()
    return loss


def _rate(step: int, num_steps: int) -> float:
    rise = min(1.0, (step + 1) / (0.05 * num_steps))
    return rise * 0.5 * (1 + math.cos(math.pi * step / num_steps))
