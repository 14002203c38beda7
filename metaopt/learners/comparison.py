"""A learner on a backbone, as functions of theta: logits of episodes, of all classes, and of a support set kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from metaopt.contracts import BACKBONE, Episodes, SupportSet, Tensors, Theta
from metaopt.errors import InputError, PluginError, quoted
from metaopt.learners.backbone import Backbone
from metaopt.learners.support import check_episodes, one_hot
from metaopt.plugin import LearnerSpec
from metaopt.space import Value

#: The learner's own weights begin so in theta, the linear layer on top of the backbone, and the classes' weights.
OWN, EMBEDDING, CLASSES = "learner.", "embedding.", "classes.weight"


@dataclass(frozen=True, eq=False)
class Comparison:
    """A learner with the features that it compares.

    Attributes:
        spec: the learner.
        values: its hyperparameters, as people write them.
        backbone: what makes the features.
    """

    spec: LearnerSpec
    values: Mapping[str, Value]
    backbone: Backbone

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of one example's features, as the learner gets them."""
        if self.spec.takes_maps:
            return self.backbone.shape
        return (self._embedded or prod(self.backbone.shape),)

    def init_theta(self, generator: torch.Generator, num_classes: int = 0) -> Tensors:
        """First weights: the backbone's as they are, and the others drawn.

        Args:
            generator: of what is drawn.
            num_classes: that features are trained on, for learners with `classify`.

        Raises:
            PluginError: the learner gives something else than tensors.
        """
        theta = dict(self.backbone.weights)
        like = next((value for value in theta.values() if value.is_floating_point()), torch.zeros(()))
        if self._embedded:
            size = prod(self.backbone.shape)
            theta[f"{EMBEDDING}weight"] = _uniform((self._embedded, size), size, generator)
            theta[f"{EMBEDDING}bias"] = _uniform((self._embedded,), size, generator)
        if num_classes:
            theta[CLASSES] = _uniform((num_classes, prod(self.shape)), prod(self.shape), generator)
        own = {} if self.spec.init_theta is None else self.spec.init_theta(self.shape, generator, self.values)
        if not isinstance(own, Mapping) or not all(isinstance(value, Tensor) for value in own.values()):
            raise PluginError(f"Learner {self.spec.name!r}: init_theta must return tensors by name, got {quoted(own)}.")
        theta.update({f"{OWN}{name}": value.detach().clone() for name, value in own.items()})
        return {
            name: value.to(like.dtype) if value.is_floating_point() else value.clone() for name, value in theta.items()
        }

    def logits(self, theta: Theta, episodes: Episodes, *, training: bool = False) -> tuple[Tensor, Tensors]:
        """Logits of the queries, shape (episodes, m, ways), and the running statistics afterwards.

        Support set and queries go through the backbone together: one batch for all episodes, or one an episode where
        batch norm goes by an episode's statistics, or the model may look at the batch (`Backbone.loop_reason`).
        """
        ways = check_episodes(self.spec.name, episodes)
        if self.spec.trains_backbone:
            each = [self._trained(theta, episodes, row, ways) for row in range(len(episodes))]
            return torch.stack(each), {}
        count = episodes.support_inputs.shape[1]
        together = torch.cat([episodes.support_inputs, episodes.query_inputs], dim=1)
        if len(together) == 1 or (self.backbone.statistics == "running" and self.loop_reason is None):
            features, running = self.features(theta, together.flatten(0, 1), training=training, support=count)
            features = features.unflatten(0, together.shape[:2])
        else:
            features, running = self._in_turn(theta, together, training, count)
        labels = one_hot(episodes.support_targets, ways, features.dtype)
        own = _own(theta)

        def single(support: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
            return self.spec.predict(self.spec.fit(support, labels, own, self.values), queries, own, self.values)

        parts = (features[:, :count], labels, features[:, count:])
        if len(features) == 1:
            return single(*(part[0] for part in parts)).unsqueeze(0), running
        return torch.vmap(single, randomness="different")(*parts), running

    @property
    def loop_reason(self) -> str | None:
        """Why episodes go through the model one after the other; None where they may go together."""
        return None if self.spec.trains_backbone else self.backbone.loop_reason

    def _in_turn(self, theta: Theta, together: Tensor, training: bool, support: int) -> tuple[Tensor, Tensors]:
        """Features of episodes, shape (episodes, n, …), one after the other, and the running statistics afterwards."""
        rows: list[Tensor] = []
        running: Tensors = {}
        for inputs in together:
            features, running = self.features({**theta, **running}, inputs, training=training, support=support)
            rows.append(features)
        return torch.stack(rows), running

    def class_logits(self, theta: Theta, inputs: Tensor) -> tuple[Tensor, Tensors]:
        """Logits of all classes that features are trained on, and the running statistics afterwards."""
        assert self.spec.classify is not None, "only features that are trained on classes have their logits"
        features, running = self.features(theta, inputs, training=True)
        return self.spec.classify(features.flatten(1), theta[CLASSES], self.values), running

    def features(
        self, theta: Theta, inputs: Tensor, *, training: bool = False, support: int | None = None
    ) -> tuple[Tensor, Tensors]:
        """What the learner compares, of inputs of shape (n, …); see `Backbone.features`."""
        features, running = self.backbone.features(theta, inputs, training=training, support=support)
        return self._as_compared(theta, features), running

    def keep(self, theta: Theta, inputs: Tensor, targets: Tensor, ways: int) -> Tensors:
        """What the learner keeps of a support set."""
        like = next((value for value in theta.values() if value.is_floating_point()), inputs)
        labels = one_hot(targets, ways, like.dtype if like.is_floating_point() else torch.get_default_dtype())
        if not self.spec.trains_backbone:
            return self.spec.fit(self.features(theta, inputs, support=len(inputs))[0], labels, _own(theta), self.values)
        weights = {
            name.removeprefix(BACKBONE): value.detach() for name, value in theta.items() if name.startswith(BACKBONE)
        }

        def features(weights: Mapping[str, Tensor]) -> Tensor:
            return self.features({**theta, **_prefixed(weights)}, inputs, support=len(inputs))[0]

        return self.spec.fit(SupportSet(weights, features), labels, _own(theta), self.values)

    def predicted(self, kept: Tensors, theta: Theta, inputs: Tensor, support: Tensor | None = None) -> Tensor:
        """Logits of queries, from what was kept; `support` are inputs by whose statistics norms go, where they do."""
        backbone = {name: value for name, value in kept.items() if name.startswith(BACKBONE)}
        count = 0 if support is None else len(support)
        together = inputs if support is None else torch.cat([support, inputs])
        features, _ = self.features({**theta, **backbone}, together, support=count or None)
        if tuple(features.shape[1:]) != self.shape:
            raise InputError(
                f"Queries of shape {tuple(inputs.shape[1:])} have features of shape {tuple(features.shape[1:])}, and "
                f"those of the support set have {self.shape}: give inputs of one size."
            )
        return self.predicted_from(kept, features[count:], theta)

    def predicted_from(self, kept: Tensors, features: Tensor, theta: Theta) -> Tensor:
        """Logits of queries by their features, from what was kept."""
        return self.spec.predict(kept, features, _own(theta), self.values)

    def _trained(self, theta: Theta, episodes: Episodes, row: int, ways: int) -> Tensor:
        support, targets, queries, _ = (tensor[row] for tensor in episodes.tensors)
        seen = support if self.backbone.statistics == "support" else None
        return self.predicted(self.keep(theta, support, targets, ways), theta, queries, seen)

    def _as_compared(self, theta: Theta, features: Tensor) -> Tensor:
        if self.spec.takes_maps:
            return features
        flat = features.flatten(1)
        if not self._embedded:
            return flat
        return F.linear(flat, theta[f"{EMBEDDING}weight"], theta[f"{EMBEDDING}bias"])

    @property
    def _embedded(self) -> int:
        return int(self.values.get("embedding", 0))


def _own(theta: Theta) -> Tensors:
    return {name.removeprefix(OWN): value for name, value in theta.items() if name.startswith(OWN)}


def _prefixed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{BACKBONE}{name}": value for name, value in weights.items()}


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> Tensor:
    """As `torch.nn.Linear` draws its weights: uniform within ±1/√fan-in."""
    drawn: Tensor = torch.rand(shape, generator=generator, dtype=torch.float32)
    return drawn.mul(2).sub(1).div(fan_in**0.5)
