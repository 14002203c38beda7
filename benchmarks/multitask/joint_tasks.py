"""Tasks for benchmarks of shared trunks: two digits in one image, and a table cut by group."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

import metaopt

#: Rows of training, validation and test.
DIGIT_ROWS, TABLE_ROWS = (1000, 400, 1000), (200, 100, 400)
#: Columns of the census table that are codes.
CODES = ["workclass", "marital-status", "relationship", "race", "sex"]
NUMBERS = ["age", "education-num", "capital-gain", "capital-loss", "hours-per-week"]
#: Occupations that train a trunk, and the one that is left out.
GROUPS, LEFT_OUT_GROUP = ("1", "3", "4", "6", "7", "8"), "12"


def error_rate(output: Tensor, targets: Tensor) -> Tensor:
    """Share of wrong answers."""
    return (output.argmax(1) != targets).float().mean()


def two_digits(seed: int) -> tuple[metaopt.MultiTask, metaopt.Task, Callable[[], nn.Module]]:
    """Two overlapping digits in an image of 12 × 12: the left, the right; left out: their sum.

    Pixels are the larger of both. Images of training and validation are made of other digits than those of the test.

    Args:
        seed: of the pairs.

    Returns:
        The tasks, the task left out, and what makes a head for it.
    """
    data, labels = load_digits(return_X_y=True)
    digits = torch.tensor(data, dtype=torch.float32).reshape(-1, 8, 8) / 16
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(digits), generator=generator)
    pools = (order[:1000], order[1000:1200], order[1200:])
    parts = []
    for pool, count in zip(pools, DIGIT_ROWS, strict=True):
        pairs = pool[torch.randint(len(pool), (2, count), generator=generator)]
        images = torch.zeros(count, 12, 12)
        images[:, :8, :8] = digits[pairs[0]]
        images[:, 4:, 4:] = torch.maximum(images[:, 4:, 4:], digits[pairs[1]])
        parts.append((images.flatten(1), torch.tensor(labels)[pairs[0]], torch.tensor(labels)[pairs[1]]))
    targets = {"left": lambda part: part[1], "right": lambda part: part[2], "sum": lambda part: part[1] + part[2]}
    tasks = {
        name: metaopt.Task(
            name=name,
            family="two digits",
            model=lambda: nn.Linear(144, 19),
            data=metaopt.Splits(*[metaopt.Split(part[0], choose(part)) for part in parts]),
            loss=F.cross_entropy,
            metric=error_rate,
        )
        for name, choose in targets.items()
    }
    joint = metaopt.MultiTask(
        name=f"two digits {seed}",
        family="two digits",
        tasks=[tasks["left"], tasks["right"]],
        trunk=lambda: nn.Sequential(nn.Linear(144, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()),
        heads=lambda: nn.Linear(64, 10),
        batch_size=32,
        num_steps=300,
        num_validations=5,
    )
    return joint, tasks["sum"], lambda: nn.Linear(64, 19)


def census(path: Path, seed: int) -> tuple[metaopt.MultiTask, metaopt.Task, Callable[[], nn.Module]]:
    """A census table cut by occupation: whether an income is high, in six groups; a seventh is left out.

    Args:
        path: of `adult.csv.gz`.
        seed: of the rows.

    Returns:
        See `two_digits`.
    """
    table = pd.read_csv(path, dtype={"occupation": str})
    codes = pd.get_dummies(table[CODES].astype("category"), dtype=float)
    numbers = table[NUMBERS].apply(lambda column: np.sign(column) * np.log1p(column.abs()))
    columns = pd.concat([(numbers - numbers.mean()) / numbers.std(), codes], axis=1).to_numpy(np.float32)
    target = table["target"].to_numpy(np.int64)
    rows = np.random.default_rng(seed)
    tasks = {}
    for group in (*GROUPS, LEFT_OUT_GROUP):
        own = rows.permutation(np.flatnonzero(table["occupation"] == group))[: sum(TABLE_ROWS)]
        cut = np.split(own, np.cumsum(TABLE_ROWS)[:2])
        splits = [metaopt.Split(torch.tensor(columns[part]), torch.tensor(target[part])) for part in cut]
        tasks[group] = metaopt.Task(
            name=group,
            family="census",
            model=lambda: nn.Linear(columns.shape[1], 2),
            data=metaopt.Splits(*splits),
            loss=F.cross_entropy,
            metric=error_rate,
        )
    width = columns.shape[1]
    joint = metaopt.MultiTask(
        name=f"census {seed}",
        family="census",
        tasks=[tasks[group] for group in GROUPS],
        trunk=lambda: nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()),
        heads=lambda: nn.Linear(32, 2),
        batch_size=16,
        num_steps=200,
        num_validations=5,
    )
    return joint, tasks[LEFT_OUT_GROUP], lambda: nn.Linear(32, 2)
