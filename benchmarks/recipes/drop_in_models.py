"""Two models that `drop_in` trains: a character transformer and a ResNet with BatchNorm."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Workload:
    """A model with its data and budget.

    Attributes:
        model: makes a model, its weights drawn from torch's generator.
        batches: endless training batches from a generator.
        validation: batches to choose by.
        test: batches to judge by.
        batch_size: examples a step.
        num_steps: training steps.
        what: one line for people.
    """

    model: Callable[[], nn.Module]
    batches: Callable[[torch.Generator], Iterator[Batch]]
    validation: list[Batch]
    test: list[Batch]
    batch_size: int
    num_steps: int
    what: str


# Transformer


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))

    def attention(self, x: Tensor, is_causal: bool = True) -> Tensor:
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts, is_causal=is_causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Transformer(nn.Module):
    def __init__(self, vocabulary: int, context: int, width: int = 96, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(0.02 * torch.randn(context, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary))
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.blocks(self.tokens(tokens) + self.positions[: tokens.shape[1]])).transpose(1, 2)


def transformer(path: Path, num_steps: int | None, context: int = 64, batch_size: int = 32) -> Workload:
    text = path.read_text(encoding="utf-8")
    alphabet = {character: index for index, character in enumerate(sorted(set(text)))}
    codes = torch.tensor([alphabet[character] for character in text])
    ends = int(0.9 * len(codes)), int(0.95 * len(codes))
    training = codes[: ends[0]]

    def batches(generator: torch.Generator) -> Iterator[Batch]:
        while True:
            starts = torch.randint(len(training) - context, (batch_size, 1), generator=generator)
            windows = training[starts + torch.arange(context + 1)]
            yield windows[:, :-1], windows[:, 1:]

    def held_out(part: Tensor, count: int = 256) -> list[Batch]:
        starts = torch.linspace(0, len(part) - context - 1, count).long()[:, None]
        windows = part[starts + torch.arange(context + 1)]
        return [(rows[:, :-1], rows[:, 1:]) for rows in windows.split(128)]

    return Workload(
        model=lambda: Transformer(len(alphabet), context),
        batches=batches,
        validation=held_out(codes[ends[0] : ends[1]]),
        test=held_out(codes[ends[1] :]),
        batch_size=batch_size,
        num_steps=num_steps or 500,
        what=f"character transformer on Tiny Shakespeare ({len(text):,} characters), context {context}",
    )


# ResNet


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(x))


def resnet_model() -> nn.Module:
    return nn.Sequential(
        Residual(1, 16, 1),
        Residual(16, 32, 2),
        Residual(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def resnet(folder: Path, num_steps: int | None, batch_size: int = 32) -> Workload:
    inputs, targets = digits(folder)
    training = slice(0, 7000)

    def batches(generator: torch.Generator) -> Iterator[Batch]:
        while True:
            for rows in torch.randperm(7000, generator=generator).split(batch_size)[:-1]:
                yield inputs[training][rows], targets[training][rows]

    def held_out(part: slice) -> list[Batch]:
        return list(zip(inputs[part].split(250), targets[part].split(250), strict=True))

    return Workload(
        model=resnet_model,
        batches=batches,
        validation=held_out(slice(7000, 8500)),
        test=held_out(slice(8500, 10000)),
        batch_size=batch_size,
        num_steps=num_steps or 300,
        what="ResNet with BatchNorm on 10,000 MNIST digits",
    )


def renew_statistics(model: nn.Module, inputs: Iterator[Tensor], count: int = 10) -> None:
    """Compute BatchNorm's statistics anew for the weights that are judged, averaged or not."""
    if any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        torch.optim.swa_utils.update_bn(list(islice(inputs, count)), model)


def digits(folder: Path) -> Batch:
    """All digits, in an order of their own: the first 7,000 train, 1,500 validate and 1,500 test."""
    images, labels = ordered_digits(folder)
    return images[:, None].float() / 255 - 0.13, labels


def ordered_digits(folder: Path) -> Batch:
    """The same as they are in the files: uint8, shape (10000, 28, 28), and their labels."""
    images, labels = (_idx(folder / f"t10k-{name}.gz") for name in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return images[order], labels[order].long()


def _idx(path: Path) -> Tensor:
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = [int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(rank)]
    return torch.frombuffer(bytearray(content[4 + 4 * rank :]), dtype=torch.uint8).view(shape)


JOBS = {"transformer": transformer, "resnet": resnet}
