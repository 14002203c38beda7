"""Features trained on all classes at once, then the whole model trained on the support set.

As `baseline`, but the backbone goes down the support set's cross-entropy with the new head: w by `rate`, the backbone's
weights by `backbone_rate`. Its batch norm keeps the running statistics.

When to use it: as what few-shot learning must beat; it has to train for each new task, which takes the longest.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import SupportSet, Tensors, Theta
from metaopt_learners._shared.closeness import class_means
from metaopt_learners._shared.cosine_head import SPACE, classify, cross_entropy, predict


def fit(support: SupportSet, labels: Tensor, theta: Theta, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The head's weights and the backbone's."""
    backbone = {name: value.detach().clone() for name, value in support.weights.items()}
    weights = torch.nn.functional.normalize(class_means(support.features(backbone).detach(), labels), dim=1)
    rates = [float(hparams["rate"]), *[float(hparams["backbone_rate"])] * len(backbone)]
    for _ in range(int(hparams["steps"])):
        trained = [tensor.requires_grad_() for tensor in (weights, *backbone.values())]
        with torch.enable_grad():
            loss = cross_entropy(support.features(backbone), weights, labels, hparams)
        gradients = torch.autograd.grad(loss, trained, allow_unused=True, materialize_grads=True)
        stepped = [
            (tensor - rate * gradient).detach()
            for tensor, rate, gradient in zip(trained, rates, gradients, strict=True)
        ]
        weights, backbone = stepped[0], dict(zip(backbone, stepped[1:], strict=True))
    return {"weights": weights, **{f"backbone.{name}": value for name, value in backbone.items()}}


spec = metaopt.LearnerSpec(
    name="finetune",
    version="1",
    summary="Features trained on all classes at once; the whole model trained on the support set.",
    fit=fit,
    predict=predict,
    classify=classify,
    trains_backbone=True,
    space={**SPACE, "backbone_rate": metaopt.Float(1e-4, 1e-1, log=True, default=1e-2, valid="[0, inf)")},
    references=("https://arxiv.org/abs/1904.04232",),
)
