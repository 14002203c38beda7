"""A classifier by cosines, s · cos(f, w_c), as it is trained on all classes and anew on a support set.

On a support set it begins at the class means (Qi et al. 2018, https://arxiv.org/abs/1712.07136) and goes down the
cross-entropy; without steps it is the nearest mean by angle.
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

import metaopt
from metaopt_learners._shared.closeness import cosines

#: `scale` is s; `steps` and `rate` are those of gradient descent on the support set.
SPACE: dict[str, metaopt.Float | metaopt.Int] = {
    "scale": metaopt.Float(2.0, 30.0, log=True, default=10.0, valid="(0, inf)"),
    "steps": metaopt.Int(1, 100, log=True, default=30, valid="[0, inf)"),
    "rate": metaopt.Float(1e-3, 1.0, log=True, default=0.05, valid="[0, inf)"),
}


def classify(features: Tensor, weights: Tensor, hparams: Mapping[str, metaopt.Value]) -> Tensor:
    """S · cos(f, w_c), shape (n, classes)."""
    return float(hparams["scale"]) * cosines(features, weights)


def cross_entropy(features: Tensor, weights: Tensor, labels: Tensor, hparams: Mapping[str, metaopt.Value]) -> Tensor:
    """The mean of −log p over examples, 0-d; classes count alike, whatever their number of examples."""
    losses = -(F.log_softmax(classify(features, weights, hparams), dim=1) * labels / labels.sum(0)).sum()
    return losses / labels.shape[1]


def predict(
    kept: metaopt.Tensors, queries: Tensor, theta: metaopt.Theta, hparams: Mapping[str, metaopt.Value]
) -> Tensor:
    """Logits by the head that was trained on the support set."""
    return classify(queries, kept["weights"], hparams)
