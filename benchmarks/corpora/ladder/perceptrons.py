"""Perceptrons, wide and deep: letters by sixteen measurements, digits by their pixels."""

import csv
import gzip
from functools import partial
from pathlib import Path

import torch
from torch import nn

import metaopt
from benchmarks.corpora.ladder.family import Family
from benchmarks.corpora.ladder.images import digit_splits
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits


def families(folder: Path) -> list[Family]:
    """Of a table, and of pixels."""
    return [
        Family(
            "table",
            partial(perceptron, 16, 26),
            partial(letter_splits, folder / "tabular" / "letter.csv.gz"),
            {"width": 64, "depth": 2, "batch": 64, "horizon": 400},
            {"width": (0.25, 8), "depth": (4,), "batch": (4,), "horizon": (0.25, 7.5)},
        ),
        Family(
            "pixels",
            partial(perceptron, 784, 10),
            partial(pixel_splits, folder),
            {"width": 48, "depth": 2, "batch": 32, "horizon": 200},
            {"width": (0.25, 8), "batch": (8,), "horizon": (5,)},
        ),
    ]


def perceptron(num_inputs: int, num_classes: int, width: int, depth: int) -> nn.Module:
    """So many hidden layers of ReLUs."""
    return mlp((num_inputs, *[width] * depth, num_classes))


def letter_splits(path: Path) -> metaopt.Splits:
    """Twenty thousand letters; 1,000 validate, 2,000 test."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    names = sorted({row[-1] for row in rows})
    inputs = torch.tensor([[float(cell) for cell in row[:-1]] for row in rows], dtype=torch.float64)
    return make_splits(inputs, torch.tensor([names.index(row[-1]) for row in rows]), (1_000, 2_000), scale=True)


def pixel_splits(folder: Path) -> metaopt.Splits:
    """Digits, shape (n, 784)."""
    splits = digit_splits(folder, halved=False)
    return metaopt.Splits(
        *(
            metaopt.Split(part.inputs.flatten(1), part.targets)
            for part in (splits.train, splits.validation, splits.test)
        )
    )
