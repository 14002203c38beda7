"""Fits the stop signal of a learned schedule to whole trainings, and tells what it saves on tasks it has not seen.

    python benchmarks/stop_signal.py learned_schedule --out out/learned_schedule [--price 0.1] [--seeds 2] [--seed 0]
        [--data ../shared/data]

The schedule trains the tasks that it was meta-trained on, and its recurrent states and the held-out loss are noted. The
signal is then chosen as a policy: stopping after a fraction t of the training costs ln(best held-out loss so far) + price
· t, and σ(w·h + b − 6) is the probability to stop at a validation that is reached. w and b minimise the expected cost,
whose gradient is exact. A price of .1 says that a whole training is worth a tenth of the loss. Nothing else of the
weights is touched, and the signal moves no update.

Told for several prices, on the tasks fitted to and on those of other families: how often `stop_signal` fires at its
defaults, the steps saved, how much higher the best held-out loss is than at the end, and the same for who always stops
at the one fraction that saves as much.
"""

import argparse
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from development_corpus import DATA, development_corpus
from learned_quality import SKIPPED, TABLES, by_loss
from learned_weights import TRAINED_ON
from synthetic_tasks import synthetic
from torch import Tensor

import metaopt
from metaopt.inner.batches import batch_indices

HORIZONS, MOMENTS = (100, 300, 1000), 40
PRICES = (0.02, 0.05, 0.1, 0.2)
UNSTOPPED = 6.0
LEAST = 1e-3
RESTARTS, DECAY = 6, 1e-4


@dataclass(frozen=True)
class Training:
    """Of one training: recurrent states at each validation, shape (moments, hidden), and ln of the best loss so far."""

    states: Tensor
    best: Tensor

    @property
    def fractions(self) -> Tensor:
        return torch.arange(1, len(self.best) + 1) / len(self.best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="name or folder of a recipe with a learned schedule")
    parser.add_argument("--out", type=Path, help="folder for the recipe with the new signal")
    parser.add_argument("--price", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = metaopt.load_recipe(given.recipe)
    seeds = range(given.seed + 1, given.seed + 1 + given.seeds)
    fitted_to = [one for task in seen() for one in trainings(recipe, task, HORIZONS, seeds)]
    others = [one for task in unseen(given.data) for one in trainings(recipe, task, (task.num_steps,), seeds)]
    print(f"{len(fitted_to)} trainings to fit to, {len(others)} of other families; {MOMENTS} validations each")
    print(f"{'price':>6}  {'fitted to:':12}{HEAD}{'others:':>11}{HEAD}")
    for price in sorted({*PRICES, given.price}):
        signal = fitted(fitted_to, price, given.seed)
        print(f"{price:6.2f}  {'':12}{told(fitted_to, signal)}{'':11}{told(others, signal)}", flush=True)
    if given.out is not None:
        save(recipe, fitted(fitted_to, given.price, given.seed), given)


def seen() -> list[metaopt.Task]:
    starter = metaopt.load_corpus("starter")
    return [by_loss(task) for task in (*(starter[name] for name in TRAINED_ON), *synthetic())]


def unseen(data: Path) -> list[metaopt.Task]:
    starter, other = metaopt.load_corpus("starter"), development_corpus(data)
    known = {starter[name].family for name in TRAINED_ON}
    plain = [task for task in other if not task.family.startswith("tabular") and task.name not in SKIPPED]
    tables = [other[name] for name in TABLES]
    return [by_loss(task) for task in (*(task for task in starter if task.family not in known), *plain, *tables)]


def trainings(
    recipe: metaopt.Recipe, task: metaopt.Task, horizons: Sequence[int], seeds: Sequence[int]
) -> Iterator[Training]:
    """Trainings of the task under the schedule."""
    for horizon in horizons:
        shortened = dataclasses.replace(task, num_steps=horizon, num_validations=min(MOMENTS, horizon))
        for seed in seeds:
            yield training(recipe, shortened, seed)


def training(recipe: metaopt.Recipe, task: metaopt.Task, seed: int) -> Training:
    name = recipe.configuration.wrappers[-1]
    torch.manual_seed(seed)
    model, splits, moments = task.build(seed), task.splits, set(task.validation_steps)
    run, states, losses = recipe.bind(model, total_steps=task.num_steps, keep_best=None), [], []
    kind = min(1, max(param.ndim for param in model.parameters()) - 1)
    for step, rows in enumerate(batch_indices(len(splits.train), task.batch_size, task.num_steps, seed), start=1):
        run.optimizer.zero_grad()
        loss = task.loss(model(splits.train.inputs[rows]), splits.train.targets[rows])
        loss.backward()
        run.step(loss)
        if step in moments:
            with torch.no_grad():
                losses.append(float(task.loss(model(splits.validation.inputs), splits.validation.targets)))
            states.append(run.optimizer.param_groups[0]["shared"][f"{name}.hidden"][kind].clone())
    known = np.nan_to_num(np.asarray(losses), nan=np.inf, posinf=np.inf)
    first = max(abs(known[0]), 1e-8) if np.isfinite(known[0]) else 1.0
    relative = np.clip(np.minimum.accumulate(known) / first, LEAST, 1e3)
    return Training(torch.stack(states), torch.from_numpy(np.log(relative)).float())


def fitted(found: list[Training], price: float, seed: int) -> Tensor:
    """w and b, shape (hidden + 1,), of the lowest expected cost among several starts."""
    generator, results = torch.Generator().manual_seed(seed), []
    for _ in range(RESTARTS):
        signal = torch.randn(found[0].states.shape[1] + 1, generator=generator)
        signal[-1] = 2.0
        results.append(descended(signal, found, price))
    return min(results, key=lambda pair: pair[0])[1]


def descended(signal: Tensor, found: list[Training], price: float) -> tuple[float, Tensor]:
    signal = signal.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([signal], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = torch.stack([expected(one, signal, price) for one in found]).mean() + DECAY * signal[:-1].square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return float(loss()), signal.detach()


def logits(one: Training, signal: Tensor) -> Tensor:
    return one.states @ signal[:-1] + signal[-1] - UNSTOPPED


def expected(one: Training, signal: Tensor, price: float) -> Tensor:
    """The cost of a training in expectation over when it stops; at the last validation it ends anyway."""
    stops = logits(one, signal)
    going = torch.nn.functional.logsigmoid(-stops).cumsum(0)
    reached = torch.cat([torch.zeros(1), going[:-1]])
    share = (reached + torch.nn.functional.logsigmoid(stops)).exp()
    share = torch.cat([share[:-1], reached[-1:].exp()])
    return (share * (one.best + price * one.fractions)).sum()


HEAD = f"{'fires':>8}{'saved':>8}{'loss':>9}{'at one fraction':>17}"


def told(found: list[Training], signal: Tensor) -> str:
    at = [stop_of(one, signal) for one in found]
    saved = 1 - float(np.mean([one.fractions[row] for one, row in zip(found, at, strict=True)]))
    fires = np.mean([row < len(one.best) - 1 for one, row in zip(found, at, strict=True)])
    rows = [max(0, round((1 - saved) * len(one.best)) - 1) for one in found]
    return f"{fires:8.0%}{saved:8.1%}{higher(found, at):9.1%}{higher(found, rows):17.1%}"


def stop_of(one: Training, signal: Tensor) -> int:
    """The row of the first validation at which the signal is above one half; the last one if none is."""
    fired = (logits(one, signal) > 0).nonzero()
    return int(fired[0]) if len(fired) else len(one.best) - 1


def higher(found: list[Training], at: list[int]) -> float:
    """By how much the best loss is higher where one stops than at the end, geometric mean."""
    return math.expm1(float(np.mean([one.best[row] - one.best[-1] for one, row in zip(found, at, strict=True)])))


def save(recipe: metaopt.Recipe, signal: Tensor, given: argparse.Namespace) -> None:
    assert recipe.theta is not None
    theta = {name: one.clone() for name, one in recipe.theta.items()}
    theta["output.weight"][:, 2], theta["output.bias"][2] = signal[:-1], signal[-1]
    made_by = {"script": "benchmarks/stop_signal.py", "price": given.price, "seeds": given.seeds, "seed": given.seed}
    provenance = {**recipe.provenance, "stop_signal": made_by}
    dataclasses.replace(recipe, theta=theta, provenance=provenance).save(given.out)
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
