"""Features trained on all classes at once, and a new cosine head on the support set (Chen et al. 2019, Baseline++).

    p(k | x) ∝ exp(s · cos(f(x), w_k))

In meta-training k runs over all classes of it, and there are no episodes. On a support set the features stay, and the
head is made anew: it begins at the class means and takes `steps` of gradient descent on the cross-entropy, in which
classes count alike. (The paper's head begins at random and takes batches of 4.)

When to use it: as what a learner that trains in episodes must beat; it needs episodes that come from classes, such as
`metaopt.ClassEpisodes`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Tensors, Theta
from metaopt_learners._shared.closeness import class_means
from metaopt_learners._shared.cosine_head import SPACE, classify, cross_entropy, predict


def fit(support: Tensor, labels: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The head's weights, of unit length at first so that the rate means the same for all features."""
    weights = torch.nn.functional.normalize(class_means(support, labels), dim=1)
    gradient = torch.func.grad(lambda weights: cross_entropy(support, weights, labels, hparams))
    for _ in range(int(hparams["steps"])):
        weights = weights - float(hparams["rate"]) * gradient(weights)
    return {"weights": weights}


spec = metaopt.LearnerSpec(
    name="baseline",
    version="1",
    summary="Features trained on all classes at once; a new cosine head on the support set.",
    fit=fit,
    predict=predict,
    classify=classify,
    space=SPACE,
    references=("https://arxiv.org/abs/1904.04232",),
)
