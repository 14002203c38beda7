"""Prototypical networks: the nearest class mean in a learned space (Snell et al. 2017).

    c_k = mean of f(x) over the support examples of class k,   p(k | x) ∝ exp(−d(f(x), c_k) / T)

d is the squared Euclidean distance, as in the paper, or minus the cosine, which wants a temperature T near 0.1. The
paper trains on more ways than it tests on (`ways`, 60 on Omniglot). A class with more examples has a better mean, and
counts no more than another; a class can be added later.

When to use it: first among the learners: it has no weights beside the features, and one pass through them is all that a
new task costs.
"""

from collections.abc import Mapping

from torch import Tensor

import metaopt
from metaopt import Tensors, Theta
from metaopt_learners._shared.closeness import SPACE, class_means, closeness


def fit(support: Tensor, labels: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The class means."""
    return {"prototypes": class_means(support, labels)}


def predict(kept: Tensors, queries: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensor:
    """−d / T."""
    return closeness(queries, kept["prototypes"], hparams["distance"]) / float(hparams["temperature"])


spec = metaopt.LearnerSpec(
    name="protonet",
    version="1",
    summary="The nearest class mean in a learned space (prototypical networks).",
    fit=fit,
    predict=predict,
    space=SPACE,
    references=("https://arxiv.org/abs/1703.05175",),
)
