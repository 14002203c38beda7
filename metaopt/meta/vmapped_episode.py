"""The pieces of an inner loop, for many episodes side by side: begin, advance, judge, and all of them in one."""

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from metaopt.contracts import State, Tensors
from metaopt.meta.learner import Learner

#: Parameters and the rule's state of many episodes.
Carry: TypeAlias = tuple[Tensors, State]


@dataclass(frozen=True, eq=False)
class Pieces:
    """A learner's functions under vmap.

    Attributes:
        learner: what one episode does.
        learns_start: whether fresh parameters do not matter, and are not given by episode.
        perturbed: whether every episode has weights, a step count and a horizon of its own.
    """

    learner: Learner
    learns_start: bool
    perturbed: bool = False

    def fresh(
        self, theta: Tensors, params: Tensors, data: Any, steps: Any, count: int
    ) -> tuple[Carry, Tensor, Tensor, Tensor]:
        """All three in one: what all episodes share at the first step is computed once."""

        def one(
            theta: Tensors, params: Tensors, episode: tuple[Tensor, ...], inputs: Tensor, targets: Tensor, *rest: Tensor
        ) -> tuple[Carry, Tensor, Tensor, Tensor]:
            carry = self.learner.begin(theta, params, (episode[0], episode[1]), rest[1])
            after, losses = self._one_advanced(theta, carry, inputs, targets, *rest, count=count)
            return after, losses, *self._one_judged(after, *episode)

        axes = (self._own, None if self.learns_start else 0, 0, 0, 0, self._own, self._own)
        run = torch.vmap(one, in_dims=axes, randomness="different")
        return run(theta, params, tuple(data), *steps)

    def begin(self, theta: Tensors, params: Tensors, inputs: Tensor, targets: Tensor, horizon: Tensor) -> Carry:
        """Parameters and state before the first step."""
        axes = (self._own, None if self.learns_start else 0, 0, self._own)
        begin = torch.vmap(
            lambda theta, params, support, horizon: self.learner.begin(theta, params, support, horizon),
            in_dims=axes,
            randomness="different",
        )
        return begin(theta, params, (inputs, targets), horizon)

    def advance(self, theta: Tensors, carry: Carry, steps: Any, count: int) -> tuple[Carry, Tensor]:
        """So many steps: where they end, and the losses before each, shape (episodes, steps)."""
        axes = (self._own, 0, 0, 0, self._own, self._own, *[0] * (len(steps) - 4))
        run = torch.vmap(partial(self._one_advanced, count=count), in_dims=axes, randomness="different")
        return run(theta, carry, *steps)

    def judge(self, carry: Carry, *data: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and metric on the queries, shape (episodes,)."""
        return torch.vmap(self._one_judged, randomness="different")(carry, *data)

    @property
    def _own(self) -> int | None:
        return 0 if self.perturbed else None

    def _one_advanced(
        self,
        theta: Tensors,
        carry: Carry,
        inputs: Tensor,
        targets: Tensor,
        first: Tensor,
        horizon: Tensor,
        *scale: Tensor,
        count: int,
    ) -> tuple[Carry, Tensor]:
        whole = self.learner.task.batch_size is None
        pairs = [(inputs, targets)] * count if whole else list(zip(inputs, targets, strict=True))
        batches = [(*pair, *scale) for pair in pairs]
        params, state, losses = self.learner.advance(theta, *carry, batches, first, horizon)
        return (params, state), losses

    def _one_judged(self, carry: Carry, *episode: Tensor) -> tuple[Tensor, Tensor]:
        return self.learner.query(*carry, episode[0], *episode[2:])
