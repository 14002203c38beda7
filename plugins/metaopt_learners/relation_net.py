"""Relation networks: a learned comparison of a query with each class (Sung et al. 2018).

    r_k = g([c_k, f(x)]),   p(k | x) ∝ exp(r_k)

c_k is the mean of the features of class k (the paper sums, which a class with more examples would feel), [ , ] a
concatenation. On maps of features, (channels, height, width), g is two blocks of 3×3 convolution, group norm, ReLU and
max pooling, then `hidden` numbers and one; on vectors two layers. The paper's batch norm lets the pairs of all queries
see each other; group norm does not. It trains the squared error of a sigmoid; here the task's own loss trains r, as a
logit.

When to use it: where no distance is right and there are many classes to learn one from; each query is compared with
each class by a network, which costs where ways are many.
"""

from collections.abc import Mapping
from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor

import metaopt
from metaopt import Tensors, Theta
from metaopt_learners._shared.closeness import class_means

#: Most groups of a group norm.
GROUPS = 8


def fit(support: Tensor, labels: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The class means, as maps where features are."""
    return {"prototypes": class_means(support, labels)}


def predict(kept: Tensors, queries: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensor:
    """The relation of each query with each class."""
    means, shape = kept["prototypes"], (len(queries), len(kept["prototypes"]))
    if means.ndim != 4:
        means, queries = means.flatten(1), queries.flatten(1)
    sides = means.unsqueeze(0).expand(*shape, *means.shape[1:]), queries.unsqueeze(1).expand(*shape, *means.shape[1:])
    pairs = torch.cat(sides, dim=2).flatten(0, 1)
    if means.ndim == 4:
        for block in ("first", "second"):
            pairs = F.conv2d(pairs, theta[f"{block}.weight"], padding=1)
            pairs = F.group_norm(pairs, gcd(GROUPS, pairs.shape[1]), theta[f"{block}.scale"], theta[f"{block}.shift"])
            pairs = F.max_pool2d(pairs.relu(), 2, ceil_mode=True)
        pairs = pairs.amax(dim=(2, 3))
    else:
        pairs = F.linear(pairs, theta["first.weight"], theta["first.bias"]).relu()
    hidden = F.linear(pairs, theta["hidden.weight"], theta["hidden.bias"]).relu()
    relations: Tensor = F.linear(hidden, theta["relation.weight"], theta["relation.bias"])
    return relations.reshape(shape)


def init_theta(shape: tuple[int, ...], generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """Weights as torch draws them, uniform within ±1/√fan-in; norms that leave what they get."""

    def drawn(*own: int) -> Tensor:
        fan_in = torch.Size(own[1:]).numel()
        uniform = torch.rand(own, generator=generator, dtype=torch.float32)
        return uniform.mul(2).sub(1).div(fan_in**0.5)

    hidden, theta = int(hparams["hidden"]), dict[str, Tensor]()
    if len(shape) == 3:
        width = shape[0]
        for block, inputs in (("first", 2 * width), ("second", width)):
            theta[f"{block}.weight"] = drawn(width, inputs, 3, 3)
            theta[f"{block}.scale"], theta[f"{block}.shift"] = torch.ones(width), torch.zeros(width)
    else:
        width = torch.Size(shape).numel()
        theta.update({"first.weight": drawn(width, 2 * width), "first.bias": torch.zeros(width)})
    return {
        **theta,
        **{"hidden.weight": drawn(hidden, width), "hidden.bias": torch.zeros(hidden)},
        **{"relation.weight": drawn(1, hidden), "relation.bias": torch.zeros(1)},
    }


spec = metaopt.LearnerSpec(
    name="relation_net",
    version="1",
    summary="A learned comparison of a query with each class's mean (relation networks).",
    fit=fit,
    predict=predict,
    init_theta=init_theta,
    takes_maps=True,
    space={"hidden": metaopt.Int(4, 64, log=True, default=8, valid="[1, inf)")},
    references=("https://arxiv.org/abs/1711.06025",),
)
