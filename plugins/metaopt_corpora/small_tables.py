"""Small tables with classes: scikit-learn's iris, wine and breast cancer."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

FAMILY = "small_tables"


def tasks() -> list[metaopt.Task]:
    """A logistic regression and perceptrons; wine by five measurements and iris by two, since all are too easy."""
    task = partial(metaopt.Task, family=FAMILY, loss=F.cross_entropy, num_validations=15)
    cancer = partial(table_splits, "breast_cancer", (150, 150), num_inputs=10)
    wine = partial(table_splits, "wine", (45, 50), num_inputs=5)
    iris = partial(table_splits, "iris", (35, 45), num_inputs=2)
    return [
        task(
            name="cancer_logistic",
            model=partial(nn.Linear, 10, 2),
            data=cancer,
            batch_size=64,
            num_steps=150,
        ),
        task(name="cancer_mlp", model=partial(mlp, (10, 16, 16, 2)), data=cancer, batch_size=16, num_steps=200),
        task(name="wine_tanh", model=partial(mlp, (5, 16, 3), nn.Tanh), data=wine, batch_size=8, num_steps=150),
        task(name="iris_mlp", model=partial(mlp, (2, 12, 12, 3)), data=iris, batch_size=16, num_steps=200),
    ]


def table_splits(name: str, sizes: tuple[int, int], *, num_inputs: int) -> metaopt.Splits:
    """One of scikit-learn's `load_<name>` sets, numbers scaled.

    Args:
        name: of the set.
        sizes: numbers of validation and of test rows.
        num_inputs: how many of the first columns to take.
    """
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    inputs = torch.from_numpy(data.data[:, :num_inputs]).double()
    return make_splits(inputs, torch.from_numpy(data.target).long(), sizes, scale=True)
