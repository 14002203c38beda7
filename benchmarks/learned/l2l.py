"""Learning to learn by gradient descent by gradient descent: an LSTM optimizer beside tuned hand-designed ones.

Two problems of Andrychowicz et al. 2016: random quadratics |Wθ − y|² of 10 dimensions, and a perceptron of 20 sigmoid
units on MNIST digits, batches of 128. The LSTM is meta-trained on 100 steps, 20 at a time. Adam, RMSprop and Nesterov's
SGD have their learning rate (and momentum) chosen on other starts by the same number that is reported: the loss after
100 steps, on all the data that is trained on. Means over unseen starts (and functions) with 95 % intervals, after 100
steps and after 200, where the LSTM was never trained.
"""

import argparse
import gzip
import itertools
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from metaopt.configuration import Configuration
from metaopt.meta.evaluation import few_shot_metrics
from metaopt.plugin.registry import current_registry

STEPS = 100
RATES = [10 ** (-4 + 0.25 * step) for step in range(21)]
PEERS = {
    "Adam": [("adamw", {"adamw.lr": lr, "adamw.weight_decay": 0.0}) for lr in RATES],
    "RMSprop": [("rmsprop", {"rmsprop.lr": lr}) for lr in RATES],
    "Nesterov SGD": [
        ("sgd", {"sgd.lr": lr, "sgd.momentum": momentum, "sgd.nesterov": True})
        for lr, momentum in itertools.product(RATES, (0.5, 0.9))
    ],
}


class Quadratic(nn.Module):
    """`W θ` for θ of 10 numbers from a standard normal distribution."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.randn(10))

    def forward(self, matrix: Tensor) -> Tensor:
        return matrix @ self.theta


@dataclass(frozen=True)
class QuadraticEpisodes:
    """W and y from standard normal distributions."""

    fingerprint: str = "quadratics-10"

    def sample(self, partition: metaopt.Partition, count: int, generator: torch.Generator) -> metaopt.Episodes:
        matrix = torch.randn(count, 10, 10, generator=generator)
        target = torch.randn(count, 10, generator=generator)
        return metaopt.Episodes(matrix, target, matrix, target)


@dataclass(frozen=True, eq=False)
class DigitEpisodes:
    """Every episode has the same digits; starts and batches differ."""

    images: Tensor
    labels: Tensor
    fingerprint: str = "mnist-digits"

    def sample(self, partition: metaopt.Partition, count: int, generator: torch.Generator) -> metaopt.Episodes:
        pair = [tensor.unsqueeze(0).expand(count, *tensor.shape) for tensor in (self.images, self.labels)]
        return metaopt.Episodes(*pair, *pair)


def summed_square(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square().sum()


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 20), nn.Sigmoid(), nn.Linear(20, 10))


def problems(data: Path) -> dict[str, metaopt.FewShotTask]:
    with gzip.open(data / "t10k-images-idx3-ubyte.gz") as file:
        images = torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784) / 255).float()
    with gzip.open(data / "t10k-labels-idx1-ubyte.gz") as file:
        labels = torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64))
    return {
        "quadratics": metaopt.FewShotTask(
            name="quadratics",
            family="l2l",
            model=Quadratic,
            episodes=QuadraticEpisodes(),
            loss=summed_square,
            num_steps=STEPS,
            num_iterations=5000,
            episodes_per_iteration=64,
            num_evaluated=100,
        ),
        "digits": metaopt.FewShotTask(
            name="digits",
            family="l2l",
            model=perceptron,
            episodes=DigitEpisodes(images, labels),
            loss=F.cross_entropy,
            num_steps=STEPS,
            batch_size=128,
            num_iterations=3000,
            episodes_per_iteration=1,
            num_evaluated=4,
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mnist_t10k"))
    parser.add_argument("--problem", choices=("quadratics", "digits"), help="one of the two")
    parser.add_argument("--iterations", type=int, help="updates of the weights; 5,000 and 3,000 by default")
    parser.add_argument("--outer-lr", type=float, default=3e-3)
    parser.add_argument("--outer-final", type=float, default=0.02, help="share of the outer rate at the end")
    parser.add_argument("--starts", type=int, default=100, help="unseen starts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--checkpoints", type=Path, help="folder; the same one resumes")
    parser.add_argument("--start", type=Path, help="recipe whose weights to go on from")
    parser.add_argument("--out", type=Path, help="folder for the recipe")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    losses = {
        name: compared(task, options)
        for name, task in problems(options.data).items()
        if options.problem in (None, name)
    }
    if options.json:
        print(json.dumps(losses))


def compared(task: metaopt.FewShotTask, options: argparse.Namespace) -> dict[str, list[float]]:
    iterations = options.iterations or task.num_iterations
    began = time.perf_counter()
    result = metaopt.meta_train(
        "l2l_lstm",
        task,
        {"outer_lr": options.outer_lr, "outer_final": options.outer_final, "clip": 1.0},
        start=None if options.start is None else metaopt.load_recipe(options.start),
        num_iterations=iterations,
        seed=options.seed,
        memory=4 * 2**30,
        folder=None if options.checkpoints is None else options.checkpoints / task.name,
        progress=lambda progress: print_progress(task, progress, began),
    )
    print(f"{task.name}: {iterations:,} updates in {result.seconds / 60:.1f} min, {result.skipped} skipped", flush=True)
    if options.out is not None:
        result.recipe.save(options.out)
    recipes = {"LSTM": result.recipe, **{name: tuned(task, grid) for name, grid in PEERS.items()}}
    print(f"{'':14}{'after 100 steps':>24}{'after 200 steps':>24}   chosen")
    rows = {}
    for name, recipe in recipes.items():
        cells = []
        for steps in (STEPS, 2 * STEPS):
            losses = few_shot_metrics(
                recipe, task, current_registry(), num_steps=steps, count=options.starts, seed=options.seed + 7
            )
            cells.append((float(losses.mean()), 1.96 * float(losses.std()) / len(losses) ** 0.5))
        text = "".join(f"{mean:>14.4g} ±{half:<8.2g}" for mean, half in cells)
        hparams = {key.partition(".")[2]: value for key, value in recipe.configuration.hparams.items()}
        print(f"{name:14}{text}   {hparams if name != 'LSTM' else ''}", flush=True)
        rows[name] = [mean for mean, _ in cells]
    best = min(rows[name][0] for name in PEERS)
    print(
        f"LSTM below all others after 100 steps: {'yes' if rows['LSTM'][0] < best else 'no'}, "
        f"{rows['LSTM'][0] / best:.2f} × the best of them"
    )
    return rows


def tuned(task: metaopt.FewShotTask, grid: list) -> metaopt.Recipe:
    """The setting with the lowest mean loss after 100 steps on 20 other starts; divergence counts as worst."""
    recipes = [metaopt.Recipe.create(Configuration(name, hparams=hparams)) for name, hparams in grid]
    few = replace(task, num_evaluated=20 if task.batch_size is None else 8)
    losses = [
        float(few_shot_metrics(recipe, few, current_registry(), partition="validation").mean().nan_to_num(float("inf")))
        for recipe in recipes
    ]
    return recipes[int(np.argmin(losses))]


def print_progress(task: metaopt.FewShotTask, progress: metaopt.MetaProgress, began: float) -> None:
    if progress.iteration % max(progress.num_iterations // 10, 1) == 0:
        minutes = (time.perf_counter() - began) / 60
        print(
            f"  {task.name} {progress.iteration:,}: validation {progress.validation:.4g}, {minutes:.1f} min", flush=True
        )


if __name__ == "__main__":
    main()
