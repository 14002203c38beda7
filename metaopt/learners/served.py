"""A learner that has seen a support set, as a module: inputs in, logits out."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from metaopt.contracts import BACKBONE, Tensors, Theta
from metaopt.errors import InputError, PluginError
from metaopt.learners.backbone import RUNNING, Backbone, Precision, Statistics
from metaopt.learners.comparison import OWN, Comparison
from metaopt.learners.support import check_support
from metaopt.plugin import LearnerSpec
from metaopt.space import Value


@final
class ServedLearner(nn.Module):
    """Logits of inputs, shape (n, ways), by comparison with a support set.

    Args:
        comparison: the learner on a model's features.
        theta: its weights.
        inputs: of the support set.
        targets: their class numbers, from 0 without a gap; classes may have different numbers of examples.

    Attributes:
        kept: what the learner keeps of the support set, by name, such as `prototypes`.
        ways: classes of the support set.
    """

    def __init__(self, comparison: Comparison, theta: Theta, inputs: Tensor, targets: Tensor) -> None:
        super().__init__()
        self.ways = check_support(comparison.spec.name, targets)
        self.comparison, self.backbone = comparison, comparison.backbone.module
        self._theta_names = self._registered("theta", theta)
        with torch.no_grad():
            kept = comparison.keep(theta, inputs, targets, self.ways)
        self._kept_names = self._registered("kept", kept)
        self.register_buffer("support_inputs", inputs, persistent=False)
        self.register_buffer("support_targets", targets, persistent=False)

    @property
    def kept(self) -> Tensors:
        """See above."""
        return self._named("kept", self._kept_names)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of inputs of shape (n, …)."""
        support = self.get_buffer("support_inputs") if self.comparison.backbone.statistics == "support" else None
        return self.comparison.predicted(self.kept, self._theta, inputs, support)

    def extended(self, inputs: Tensor, targets: Tensor) -> "ServedLearner":
        """The same with further examples, of its classes or of new ones."""
        known = self.get_buffer("support_inputs"), self.get_buffer("support_targets")
        both = [torch.cat(parts) for parts in zip(known, (inputs, targets), strict=True)]
        return ServedLearner(self.comparison, self._theta, *both)

    @property
    def _theta(self) -> Tensors:
        return self._named("theta", self._theta_names)

    def _registered(self, kind: str, tensors: Mapping[str, Tensor]) -> list[str]:
        """Hold tensors as buffers, whose names may have no dots."""
        for position, tensor in enumerate(tensors.values()):
            self.register_buffer(f"{kind}_{position}", tensor.detach(), persistent=False)
        return list(tensors)

    def _named(self, kind: str, names: list[str]) -> Tensors:
        return {name: getattr(self, f"{kind}_{position}") for position, name in enumerate(names)}


def served(
    spec: LearnerSpec,
    values: Mapping[str, Value],
    theta: Theta | None,
    model: nn.Module,
    part: str | None,
    inputs: Tensor,
    targets: Tensor,
) -> ServedLearner:
    """A learner on a model's features, with what it learned and a support set.

    Args:
        spec: the learner.
        values: its hyperparameters.
        theta: what was learned; None for the model's weights as they are.
        model: gives the features; stays as it is.
        part: of the model, that gives them.
        inputs: of the support set.
        targets: their class numbers.

    Raises:
        InputError: weights were learned for another model, or there are none and the learner needs its own.
        PluginError: what the learner makes is not what it learned.
    """
    check_support(spec.name, targets)
    statistics: Statistics = values["batch_norm"]  # type: ignore[assignment]
    precision: Precision = values.get("precision", "float32")  # type: ignore[assignment]
    backbone = Backbone(model, inputs[:2] if len(inputs) > 1 else inputs, part, statistics, precision)
    comparison = Comparison(spec, values, backbone)
    return ServedLearner(comparison, fitting(comparison, theta), inputs, targets)


def fitting(comparison: Comparison, theta: Theta | None) -> Tensors:
    """Learned weights, checked against the model; raises what `served` raises."""
    spec, own = comparison.spec, comparison.backbone.weights
    if not theta:
        if spec.init_theta is not None or comparison.values.get("embedding"):
            raise InputError(
                f"{spec.name!r} compares by weights of its own, and this recipe has none: metaopt.meta_train"
                f"({spec.name!r}, …) makes one that has."
            )
        return own
    learned = {name: value for name, value in theta.items() if name.startswith((BACKBONE, RUNNING))}
    if comparison.backbone.statistics != "running":
        learned = {name: value for name, value in learned.items() if name.startswith(BACKBONE)}
    for name in sorted({*own, *learned}):
        shapes = [tuple(tensors[name].shape) if name in tensors else None for tensors in (learned, own)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"The features were learned for {name.partition('.')[2]!r} of shape {shapes[0] or 'none'}, the model's "
                f"has {shapes[1] or 'none'}: build the model that the recipe was meta-trained with."
            )
    needed = comparison.init_theta(torch.Generator().manual_seed(0))
    lacking = [name for name in needed if name not in theta]
    if lacking:
        raise PluginError(f"The learner {spec.name!r} has no learned {lacking[0].removeprefix(OWN)!r} in this recipe.")
    for name, value in needed.items():
        if theta[name].shape != value.shape:
            raise InputError(
                f"Embeddings are of different sizes: {name!r} was learned in shape {tuple(theta[name].shape)}, and "
                f"the model's features want {tuple(value.shape)}; give inputs and a model as in meta-training."
            )
    return {name: theta[name].to(value.device) for name, value in needed.items()}
