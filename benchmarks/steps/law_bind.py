"""What the law of rates adds to `bind`: a hundred tensors, the same recipe with and without it in turns.

    python -m benchmarks.steps.law_bind [--rounds 40] [--recipe default]

Each round binds the recipe to fresh parameters (a hundred matrices and vectors of 8 numbers) with `scale_rate=True` and
with `scale_rate=False`, in an order that changes. Printed are the medians of processor time, in milliseconds a call,
and the median of the differences within rounds, for a model with roles and for a bare list of tensors, which has none.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import nn

import metaopt

LAYERS, WIDTH = 50, 8


def deep() -> nn.Module:
    """A network of fifty linear layers: a hundred tensors."""
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))


def bare() -> nn.Module:
    """As many tensors without layers."""
    return nn.ParameterList([nn.Parameter(torch.zeros(shape)) for _ in range(LAYERS) for shape in ((8, 8), (8,))])


def milliseconds(recipe: metaopt.Recipe, model: nn.Module, scale_rate: bool) -> float:
    began = time.thread_time()
    recipe.bind(model, total_steps=2000, batch_size=256, scale_rate=scale_rate)
    return (time.thread_time() - began) * 1e3


def compare(recipe: metaopt.Recipe, make: Callable[[], nn.Module], rounds: int) -> tuple[float, float, float]:
    """Median milliseconds with the law, without it, and of the difference within a round."""
    with_law, without = [], []
    for number in range(rounds + 2):  # two to warm up
        for scale_rate in (True, False) if number % 2 else (False, True):
            (with_law if scale_rate else without).append(milliseconds(recipe, make(), scale_rate))
    pairs = list(zip(with_law, without, strict=True))[2:]
    medians = (statistics.median(column) for column in zip(*pairs, strict=True))
    return (*medians, statistics.median(one - other for one, other in pairs))  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--recipe", default="default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    recipe = metaopt.load_recipe(options.recipe)
    for name, make in (("a hundred tensors in layers", deep), ("a hundred bare tensors", bare)):
        law, plain, more = compare(recipe, make, options.rounds)
        print(f"{name}: {law:.2f} ms with the law, {plain:.2f} ms without it, {more:+.3f} ms in the median round")


if __name__ == "__main__":
    main()
