"""Class means, and how close queries are to them."""

import torch.nn.functional as F
from torch import Tensor

import metaopt

#: How far apart features are; both are divided by the temperature.
SPACE: dict[str, metaopt.Float | metaopt.Categorical] = {
    "distance": metaopt.Categorical(("euclidean", "cosine")),
    "temperature": metaopt.Float(0.01, 30.0, log=True, default=1.0, valid="(0, inf)"),
}


def class_means(support: Tensor, labels: Tensor) -> Tensor:
    """The mean of each class, shape (ways, …), whatever its number of examples.

    Args:
        support: shape (n, …).
        labels: one-hot, shape (n, ways).
    """
    means: Tensor = (labels / labels.sum(0)).T @ support.flatten(1)
    return means.reshape(-1, *support.shape[1:])


def closeness(queries: Tensor, points: Tensor, distance: object) -> Tensor:
    """−|q − p|² or the cosine of q and p, shape (m, points)."""
    if distance == "cosine":
        return cosines(queries, points)
    # |q − p|² without a tensor of all differences.
    squares = queries.square().sum(1, keepdim=True) + points.square().sum(1) - 2 * queries @ points.T
    return -squares


def cosines(queries: Tensor, points: Tensor) -> Tensor:
    """The cosine of each pair, shape (m, points)."""
    return F.normalize(queries, dim=1) @ F.normalize(points, dim=1).T
