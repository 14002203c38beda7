"""A task's own hyperparameters: joint search against the optimizer alone, and against plain Optuna, at equal trainings.

    python -m benchmarks.tuning.own_space [--trainings 40] [--seeds 5] [--boxes digits_mlp,gru,...]

Eight black boxes train small models on scikit-learn's data (digits, breast cancer, diabetes, generated
clusters); each has two or
three hyperparameters of its own, with the defaults that people begin with. Three ways to spend the same number of
trainings on each, finals and references counted:

- joint: `metaopt.tune`, the task's own hyperparameters beside the optimizer's;
- alone: `metaopt.tune` with the task's own at their defaults, starting from the shipped recipe, as joint does by itself;
- optuna: TPE, one trial after the other, over AdamW's rate and weight decay, constant or cosine, and the task's own.

What each hands over is then trained with five fresh seeds. A study's seed draws the split, too, which the ways share.
Losses are Brier scores, or squared errors. Printed are mean log-ratios of test losses, ways in pairs on the same box and
split: below 0, joint is better. Intervals are of the bootstrap over boxes, then seeds within them. With --results FILE,
what is finished is kept there, a line of JSON each, and not done again. The shipped recipe was made on other tasks of some
of these data.
"""

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from sklearn import datasets
from torch import Tensor, nn

import metaopt

#: Trainings of a study of one black box beside its candidates: the baseline's reference, and the finals of three
#: finalists and the baseline with three seeds each.
BESIDE = 13
FRESH_SEEDS = range(101, 106)
VALIDATIONS = 4
WAYS = ("joint", "alone", "optuna")


@dataclass(frozen=True)
class Box:
    """A training whose model and loop follow hyperparameters.

    Attributes:
        load: makes inputs and targets; class numbers or real numbers.
        model: makes the network from the number of inputs and outputs and the hyperparameters that it takes.
        space: of the task's own.
        steps: of a training.
        rows: of the data that are used, at most.
        wrong: share of training labels that are drawn anew.
    """

    load: Callable[[], tuple[Tensor, Tensor]]
    model: Callable[..., nn.Module]
    space: Mapping[str, metaopt.Float | metaopt.Int | metaopt.Categorical]
    steps: int = 60
    rows: int = 10_000
    wrong: float = 0.0


@cache
def digits() -> tuple[Tensor, Tensor]:
    inputs, targets = datasets.load_digits(return_X_y=True)
    return torch.tensor(inputs, dtype=torch.float32) / 16, torch.tensor(targets)


@cache
def breast_cancer() -> tuple[Tensor, Tensor]:
    return standardized(*datasets.load_breast_cancer(return_X_y=True))


@cache
def clusters() -> tuple[Tensor, Tensor]:
    """A seventh of the labels says nothing."""
    made = datasets.make_classification(800, 30, n_informative=8, n_classes=4, flip_y=0.15, random_state=0)
    return standardized(*made)


@cache
def diabetes() -> tuple[Tensor, Tensor]:
    inputs, targets = datasets.load_diabetes(return_X_y=True)
    inputs, _ = standardized(inputs, targets)
    return inputs, torch.tensor((targets - targets.mean()) / targets.std(), dtype=torch.float32).unsqueeze(1)


def standardized(inputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    scaled = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-9)
    return torch.tensor(scaled, dtype=torch.float32), torch.tensor(targets)


def mlp(ins: int, outs: int, *, width: int = 64, dropout: float = 0.0, activation: str = "relu") -> nn.Module:
    between = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}[activation]
    return nn.Sequential(
        nn.Linear(ins, width),
        between(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        between(),
        nn.Linear(width, outs),
    )


def convolutional(ins: int, outs: int, *, channels: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(16 * channels, outs),
    )


class Rows(nn.Module):
    """A GRU that reads a digit row by row."""

    def __init__(self, outs: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.recurrent = nn.GRU(8, hidden, batch_first=True)
        self.last = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, outs))

    def forward(self, inputs: Tensor) -> Tensor:
        states, _ = self.recurrent(inputs.unflatten(1, (8, 8)))
        result: Tensor = self.last(states[:, -1])
        return result


def gru(ins: int, outs: int, *, hidden: int, dropout: float) -> nn.Module:
    return Rows(outs, hidden, dropout)


BATCH = metaopt.Int(8, 128, log=True, default=64)
DROPOUT = metaopt.Float(0.0, 0.7, default=0.0)
WIDTH = metaopt.Int(8, 128, log=True, default=64)
NOISE = metaopt.Float(0.0, 1.0, default=0.0)
SMOOTHING = metaopt.Float(0.0, 0.4, default=0.0)
ACTIVATION = metaopt.Categorical(("relu", "tanh", "silu"))

BOXES = {
    "digits_mlp": Box(digits, mlp, {"batch": BATCH, "dropout": DROPOUT}),
    "digits_few": Box(digits, mlp, {"dropout": DROPOUT, "noise": NOISE, "width": WIDTH}, rows=400),
    "digits_wrong": Box(digits, mlp, {"smoothing": SMOOTHING, "dropout": DROPOUT, "batch": BATCH}, rows=900, wrong=0.2),
    "digits_conv": Box(
        digits,
        convolutional,
        {"channels": metaopt.Int(4, 16, log=True, default=8), "dropout": DROPOUT, "batch": BATCH},
        steps=40,
    ),
    "digits_gru": Box(
        digits, gru, {"hidden": metaopt.Int(8, 48, log=True, default=24), "dropout": DROPOUT, "batch": BATCH}, steps=40
    ),
    "breast_cancer": Box(breast_cancer, mlp, {"width": WIDTH, "dropout": DROPOUT, "smoothing": SMOOTHING}),
    "clusters": Box(clusters, mlp, {"width": WIDTH, "noise": NOISE, "batch": BATCH}),
    "diabetes": Box(diabetes, mlp, {"activation": ACTIVATION, "dropout": DROPOUT, "width": WIDTH, "batch": BATCH}),
}
_OF_LOOP = ("batch", "noise", "smoothing")


def splits(box: Box, split: int) -> list[tuple[Tensor, Tensor]]:
    """Half of the rows train, a quarter validates, a quarter tests."""
    generator = torch.Generator().manual_seed(split)
    inputs, targets = box.load()
    order = torch.randperm(len(inputs), generator=generator)[: box.rows]
    first, second = len(order) // 2, 3 * len(order) // 4
    train, *others = [(inputs[part], targets[part]) for part in (order[:first], order[first:second], order[second:])]
    labels = train[1].clone()
    if box.wrong:
        drawn = torch.rand(len(labels), generator=generator) < box.wrong
        labels[drawn] = torch.randint(0, 10, (int(drawn.sum()),), generator=generator)
    return [(train[0], labels), *others]


def trained(box: Box, split: int, recipe: Any, seed: int, **values: Any) -> Iterator[tuple[int, float, float]]:
    """Validations of a training: step, validation loss, test loss."""
    (inputs, targets), *others = splits(box, split)
    is_classes = not targets.is_floating_point()
    outs = int(box.load()[1].max()) + 1 if is_classes else 1
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = box.model(
            inputs.shape[1], outs, **{name: value for name, value in values.items() if name not in _OF_LOOP}
        )
        size = min(int(values.get("batch", 64)), len(inputs))
        loss_fn: Any = nn.CrossEntropyLoss(label_smoothing=values.get("smoothing", 0.0)) if is_classes else nn.MSELoss()
        judge: Any = brier if is_classes else nn.MSELoss()
        run = recipe.bind(model, total_steps=box.steps, batch_size=size, keep_best=None)
        for step in range(1, box.steps + 1):
            rows = torch.randint(0, len(inputs), (size,))
            batch = inputs[rows]
            if values.get("noise"):
                batch = batch + values["noise"] * torch.randn_like(batch)
            run.optimizer.zero_grad()
            loss = loss_fn(model(batch), targets[rows])
            loss.backward()
            run.step(loss)
            if step % (box.steps // VALIDATIONS) == 0:
                model.eval()
                with run.evaluating(), torch.no_grad():
                    losses = [float(judge(model(part), wanted)) for part, wanted in others]
                model.train()
                yield step, losses[0], losses[1]


def brier(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared error of the probabilities, in [0, 2]: no single row decides, as it may with a log loss."""
    wanted = nn.functional.one_hot(labels, logits.shape[1])
    return (logits.softmax(1) - wanted).square().sum(1).mean()


def best(rows: Sequence[tuple[int, float, float]]) -> tuple[float, float]:
    """Validation and test loss of the checkpoint that a loop keeps; large ones where none is finite."""
    finite = [row[1:] for row in rows if math.isfinite(row[1])]
    return min(finite, default=(2.0, 2.0))


def task_of(name: str, box: Box, split: int, *, own: bool) -> metaopt.BlackBoxTask:
    train = partial(trained, box, split)
    usual = {key: distribution.default for key, distribution in box.space.items()}
    return metaopt.BlackBoxTask(
        name=name,
        family="boxes",
        train=train if own else partial(train, **usual),
        num_steps=box.steps,
        version=f"{split}",
        space=box.space if own else {},
    )


def tuned(name: str, box: Box, split: int, trainings: int, *, own: bool) -> tuple[metaopt.Recipe, dict[str, Any]]:
    usual = {key: distribution.default for key, distribution in box.space.items()}
    result = metaopt.tune(
        [task_of(name, box, split, own=own)],
        n_trials=trainings - BESIDE,
        seed=split,
        portfolio=1,
        start_from=None if own else "default",
        announce=lambda line: None,
    )
    spent = result.cost.evaluations + result.cost.reference_evaluations + result.cost.comparison_evaluations
    assert spent <= trainings, f"{spent} trainings"
    return result.recipe, {**usual, **result.recipe.values}


def by_optuna(box: Box, split: int, trainings: int) -> tuple[metaopt.Recipe, dict[str, Any]]:
    def objective(trial: optuna.Trial) -> float:
        values = {key: suggested(trial, key, distribution) for key, distribution in box.space.items()}
        recipe = metaopt.Recipe(
            metaopt.Configuration(
                "adamw",
                trial.suggest_categorical("schedule", ["constant", "cosine"]),
                hparams={
                    "adamw.lr": trial.suggest_float("lr", 1e-5, 1e-1, log=True),
                    "adamw.weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
                },
                values=values,
            )
        )
        trial.set_user_attr("recipe", recipe.configuration.to_json())
        return best(list(trained(box, split, recipe, 0, **values)))[0]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=split))
    study.optimize(objective, n_trials=trainings)
    found = metaopt.Recipe(metaopt.Configuration.from_json(study.best_trial.user_attrs["recipe"]))
    return found, dict(found.values)


def suggested(trial: optuna.Trial, name: str, distribution: Any) -> Any:
    if isinstance(distribution, metaopt.Float):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, metaopt.Int):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    return trial.suggest_categorical(name, list(distribution.choices))


def test_loss(box: Box, split: int, recipe: metaopt.Recipe, values: Mapping[str, Any]) -> float:
    """Geometric mean over fresh seeds."""
    losses = [best(list(trained(box, split, recipe, seed, **values)))[1] for seed in FRESH_SEEDS]
    return float(np.exp(np.mean(np.log(losses))))


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 %, of the bootstrap over boxes, then seeds within them; differences have shape (boxes, seeds)."""
    generator = np.random.default_rng(0)
    boxes, seeds = differences.shape
    means = []
    for _ in range(10_000):
        rows = generator.integers(boxes, size=(boxes, 1))
        means.append(differences[rows, generator.integers(seeds, size=(boxes, seeds))].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


class Results:
    """Log test losses by box, split and way, each computed once.

    Args:
        path: a file of JSON lines, or None.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self._known = {tuple(key): (loss, seconds) for *key, loss, seconds in map(json.loads, lines)}

    def of(self, name: str, split: int, way: str, trainings: int) -> tuple[float, float]:
        """Log test loss, and processor seconds."""
        key = (name, split, way, trainings)
        if key not in self._known:
            box, started = BOXES[name], time.process_time()
            found = (
                by_optuna(box, split, trainings)
                if way == "optuna"
                else tuned(name, box, split, trainings, own=way == "joint")
            )
            self._known[key] = math.log(test_loss(box, split, *found)), time.process_time() - started
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps([*key, *self._known[key]]) + "\n")
        return self._known[key]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trainings", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--boxes", default=",".join(BOXES))
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    results = Results(options.results)
    logs: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    print(
        f"{options.trainings} trainings a way, {options.seeds} seeds; test loss, geometric mean over seeds\n",
        flush=True,
    )
    print(f"{'box':14s} " + " ".join(f"{way:>8s}" for way in WAYS) + "   s a training", flush=True)
    names = options.boxes.split(",")
    for split in range(options.seeds):  # what is broken off has as many seeds of each box
        for name in names:
            for way in WAYS:
                results.of(name, split, way, options.trainings)
    for name in names:
        seconds = 0.0
        for way in WAYS:
            found = [results.of(name, split, way, options.trainings) for split in range(options.seeds)]
            logs[way].append([loss for loss, _ in found])
            seconds += sum(spent for _, spent in found)
        each = seconds / (len(WAYS) * options.seeds * (options.trainings + len(FRESH_SEEDS)))
        means = " ".join(f"{math.exp(np.mean(logs[way][-1])):8.4f}" for way in WAYS)
        print(f"{name:14s} {means}   {each:.2f}", flush=True)
    print()
    for other in WAYS[1:]:
        print(f"joint against {other}: {compared(np.asarray(logs['joint']) - np.asarray(logs[other]))}")


def compared(differences: np.ndarray) -> str:
    """A sentence on log-ratios of shape (boxes, seeds)."""
    low, high = interval(differences)
    verdict = "ahead" if high < 0 else "behind" if low > 0 else "no difference shown"
    better = f"better on {(differences < 0).sum()} of {differences.size}"
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}] in log test loss, {better}: {verdict}"


if __name__ == "__main__":
    main()
