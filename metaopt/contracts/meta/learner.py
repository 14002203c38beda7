"""What a learner is made of: functions from a support set to what it keeps of it, and from that to logits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor

from metaopt.contracts.rule import Tensors, Theta
from metaopt.space import Value


@final
@dataclass(frozen=True)
class SupportSet:
    """A support set for learners that train the backbone: its features under any weights.

    Attributes:
        weights: of the backbone, by name, before training.
        features: from weights by name to features, shape (n, …).
    """

    weights: Tensors
    features: Callable[[Mapping[str, Tensor]], Tensor]


#: Names of kept tensors begin so that take the place of the backbone's weights.
BACKBONE = "backbone."

#: `(support, labels, theta, hparams) -> kept`: what a learner keeps of a support set, tensors by name. `support` are
#: features of shape (n, …), or a `SupportSet` where the learner trains the backbone; `labels` are one-hot, shape
#: (n, ways), at least one example a class.
FitSupport: TypeAlias = Callable[..., Tensors]
#: `(kept, queries, theta, hparams) -> logits`, from features of shape (m, …) to shape (m, ways).
PredictQueries: TypeAlias = Callable[[Tensors, Tensor, Theta, Mapping[str, Value]], Tensor]
#: `(shape, generator, hparams) -> theta`: first weights, from the shape of one example's features.
InitLearner: TypeAlias = Callable[[tuple[int, ...], torch.Generator, Mapping[str, Value]], Tensors]
#: `(features, weights, hparams) -> logits` of all classes that are trained on, from features of shape (n, d) and
#: weights of shape (classes, d).
Classify: TypeAlias = Callable[[Tensor, Tensor, Mapping[str, Value]], Tensor]
