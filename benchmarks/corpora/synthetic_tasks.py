"""Tasks that are generated: what learned schedules are meta-trained on besides the starter corpus's.

They bring what those lack: hidden layers that a high rate kills, many classes, convolutions, embeddings, sequences of
tokens. None is of a family that anything is judged on.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from benchmarks.corpora.development_corpus import SmallCNN
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

#: Height and width of a shape.
SIDE = 12


def synthetic() -> list[metaopt.Task]:
    """Shapes to tell apart, the labels and numbers of deep random networks, and the next token of a random chain."""
    task = partial(metaopt.Task, loss=F.cross_entropy, num_steps=300, num_validations=15)
    regress = partial(metaopt.Task, loss=F.mse_loss, num_steps=300, num_validations=15)
    many, few = (partial(shapes, classes) for classes in (40, 10))
    deep, wide = (SIDE**2, 32, 32, 40), (SIDE**2, 48, 10)
    return [
        task(name="shapes_deep", family="shapes", model=partial(mlp, deep), data=many, batch_size=32),
        task(name="shapes_shallow", family="shapes", model=partial(mlp, wide), data=partial(few, dark=True)),
        task(
            name="shapes_cnn",
            family="shapes",
            model=partial(SmallCNN, 10, channels=(6, 10), side=SIDE),
            data=partial(few, as_images=True),
            batch_size=16,
        ),
        task(
            name="shapes_large",
            family="shapes",
            model=partial(mlp, (16**2, 32, 24)),
            data=partial(shapes, 24, side=16),
            batch_size=32,
        ),
        task(name="taught_labels", family="taught", model=partial(mlp, (20, 24, 24, 24, 12)), data=partial(taught, 12)),
        task(
            name="taught_far_off",
            family="taught",
            model=partial(mlp, (20, 32, 32, 12)),
            data=partial(taught, 12, mean=3.0),
            batch_size=32,
        ),
        regress(name="taught_numbers", family="taught", model=partial(mlp, (20, 48, 48, 1)), data=partial(taught, 1)),
        task(name="chain_mlp", family="chain", model=NextToken, data=chain, batch_size=32),
    ]


def plateaus() -> list[metaopt.Task]:
    """Tasks whose loss is soon as low as it gets, and noisy: for signals that say so."""
    regress = partial(metaopt.Task, family="plateau", loss=F.mse_loss, num_steps=300, num_validations=15)
    flipped = partial(metaopt.Task, family="plateau", loss=F.cross_entropy, num_steps=300, num_validations=15)
    return [
        regress(name="plateau_product", model=partial(mlp, (6, 1)), data=partial(noisy, "product"), batch_size=64),
        regress(name="plateau_sum", model=partial(mlp, (6, 8, 1)), data=partial(noisy, "sum"), batch_size=16),
        flipped(name="plateau_flipped", model=partial(mlp, (6, 2)), data=partial(noisy, "flipped"), batch_size=32),
    ]


def noisy(kind: str, seed: int = 0) -> metaopt.Splits:
    """A product that a line cannot follow, a sum under noise twice as large, or a sign that is often wrong."""
    generator = torch.Generator().manual_seed(seed)
    inputs, noise = (torch.randn(3000, width, generator=generator, dtype=torch.float64) for width in (6, 1))
    targets = {
        "product": inputs[:, :1] * inputs[:, 1:2],
        "sum": inputs.sum(1, keepdim=True) / 6**0.5 + 2 * noise,
        "flipped": (inputs[:, 0] + 2 * noise[:, 0] > 0).long(),
    }
    return make_splits(inputs, targets[kind], (400, 400), seed=seed)


def shapes(
    classes: int, *, side: int = SIDE, dark: bool = False, as_images: bool = False, seed: int = 0
) -> metaopt.Splits:
    """Lines of one drawing a class, moved by up to a pixel and bent; ink 1, paper -1, or between 0 and 1 if `dark`.

    Args:
        classes: how many; 16 examples of each to train on, 4 to validate, 4 to test.
        side: height and width.
        dark: whether ink is 1 and paper 0.
        as_images: whether inputs have shape (n, 1, side, side), not (n, side²).
        seed: of everything random.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    grown = partial(F.interpolate, size=(side + 2, side + 2), mode="bicubic", align_corners=True)
    labels = torch.arange(classes).repeat(24)
    fields = grown(normal(classes, 1, 5, 5))[labels] + 0.4 * grown(normal(len(labels), 1, 5, 5))
    moves = torch.randint(3, (len(labels), 2), generator=generator).tolist()
    images = torch.stack([one[:, y : y + side, x : x + side] for one, (y, x) in zip(fields, moves, strict=True)])
    ink = torch.sigmoid(20 * (0.15 - images.abs()))
    inputs = ink if dark else 2 * ink - 1
    return make_splits(inputs if as_images else inputs.flatten(1), labels, (4 * classes, 4 * classes), seed=seed)


def taught(outputs: int, *, mean: float = 0.0, seed: int = 0) -> metaopt.Splits:
    """What a deep random network says of random inputs: the largest of its outputs, or its one output and noise.

    Args:
        outputs: 1 for a number, or the number of labels.
        mean: of the inputs that a model gets, whose deviation is 1.
        seed: of everything random.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    inputs = normal(1400, 20)
    first, second, last = (normal(*shape) * (2 / shape[0]) ** 0.5 for shape in ((20, 40), (40, 40), (40, outputs)))
    said = torch.relu(torch.relu(inputs @ first) @ second) @ last
    inputs = inputs + mean
    if outputs == 1:
        return make_splits(inputs, said + 0.2 * said.std() * normal(*said.shape), (200, 200), seed=seed, scale=True)
    return make_splits(inputs, (said - said.mean(0)).argmax(1), (200, 200), seed=seed)


def chain(tokens: int = 30, seed: int = 0) -> metaopt.Splits:
    """Four tokens of a chain of second order, and the one that follows them."""
    generator = torch.Generator().manual_seed(seed)
    rates = 2.5 * torch.randn(tokens, tokens, generator=generator, dtype=torch.float64)
    rates = rates[:, None] + rates.flip(0)[None]
    text = [0, 1]
    for draw in torch.rand(4000, generator=generator, dtype=torch.float64).tolist():
        share = rates[text[-1], text[-2]].softmax(0).cumsum(0)
        text.append(min(int((share < draw).sum()), tokens - 1))
    windows = torch.tensor(text).unfold(0, 5, 1)
    return make_splits(windows[:, :4], windows[:, 4], (400, 400), seed=seed)


class NextToken(nn.Module):
    """An embedding of each of four tokens, one hidden layer: (n, 4) to (n, tokens)."""

    def __init__(self, tokens: int = 30, width: int = 6, hidden: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.layers = nn.Sequential(nn.Linear(4 * width, hidden), nn.ReLU(), nn.Linear(hidden, tokens))

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.layers(self.embedding(tokens).flatten(1))
        return output
