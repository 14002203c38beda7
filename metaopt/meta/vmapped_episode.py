"""An inner loop for many episodes side by side.

An inner loop says what one episode does; here it is vmapped: begin, advance, judge, and all of them in one function.
Where vmap cannot take the model (`InnerLoop.loop_reason`), the same functions go through the episodes in a loop.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from metaopt.contracts import Episodes, State, Tensors
from metaopt.errors import InputError, quoted
from metaopt.inner import failure
from metaopt.meta.inner_loop import InnerLoop

#: Parameters and the rule's state of many episodes.
Carry: TypeAlias = tuple[Tensors, State]


@dataclass(frozen=True)
class Window:
    """Consecutive inner steps of many episodes, and how the meta-objective weighs them.

    Attributes:
        episodes: support and query sets.
        batches: inputs and targets of each step, shape (episodes, steps, batch, …); None where every step sees the
            whole support set.
        first_step: steps completed before.
        num_steps: of the window.
        horizon: planned number of steps.
        step_weight: of the training loss after each step but the last.
        judge_weight: of the loss on the queries after the last step.
    """

    episodes: Episodes
    batches: tuple[Tensor, Tensor] | None
    first_step: int
    num_steps: int
    horizon: int
    step_weight: float = 0.0
    judge_weight: float = 1.0

    def rows(self, rows: slice) -> "Window":
        """The window of some episodes."""
        episodes = Episodes(*(tensor[rows] for tensor in self.episodes.tensors))
        batches = None if self.batches is None else (self.batches[0][rows], self.batches[1][rows])
        return replace(self, episodes=episodes, batches=batches)


@dataclass(frozen=True, eq=False)
class VmappedEpisodes:
    """An inner loop's functions under vmap, or in a loop.

    Attributes:
        inner_loop: what one episode does.
        learns_start: whether fresh parameters do not matter, and are not given by episode.
        perturbed: whether every episode has weights, a step count and a horizon of its own.
    """

    inner_loop: InnerLoop
    learns_start: bool
    perturbed: bool = False

    def fresh(
        self, theta: Tensors, params: Tensors, data: Any, steps: Any, count: int
    ) -> tuple[Carry, Tensor, Tensor, Tensor]:
        """Begin, advance and judge in one: what all episodes share at the first step is computed once."""

        def single(
            theta: Tensors,
            params: Tensors,
            episode: tuple[Tensor, ...],
            inputs: Tensor,
            targets: Tensor,
            *settings: Tensor,
        ) -> tuple[Carry, Tensor, Tensor, Tensor]:
            carry = self.inner_loop.begin(theta, params, (episode[0], episode[1]), settings[1])
            after, losses = self._advance_one(theta, carry, inputs, targets, *settings, count=count)
            return after, losses, *self._judge_one(after, *episode)

        axes = (self._theta_axis, None if self.learns_start else 0, 0, 0, 0, self._theta_axis, self._theta_axis)
        run = self.inner_loop.transforms.vmap(single, in_dims=axes, randomness="different")
        result: tuple[Carry, Tensor, Tensor, Tensor] = run(theta, params, tuple(data), *steps)
        return result

    def begin(self, theta: Tensors, params: Tensors, inputs: Tensor, targets: Tensor, horizon: Tensor) -> Carry:
        """Parameters and state before the first step."""
        axes = (self._theta_axis, None if self.learns_start else 0, 0, self._theta_axis)
        begin = self.inner_loop.transforms.vmap(
            lambda theta, params, support, horizon: self.inner_loop.begin(theta, params, support, horizon),
            in_dims=axes,
            randomness="different",
        )
        carry: Carry = begin(theta, params, (inputs, targets), horizon)
        return carry

    def advance(self, theta: Tensors, carry: Carry, steps: Any, count: int) -> tuple[Carry, Tensor]:
        """So many steps: where they end, and the losses before each, shape (episodes, steps)."""
        axes = (self._theta_axis, 0, 0, 0, self._theta_axis, self._theta_axis, *[0] * (len(steps) - 4))
        run = self.inner_loop.transforms.vmap(
            partial(self._advance_one, count=count), in_dims=axes, randomness="different"
        )
        result: tuple[Carry, Tensor] = run(theta, carry, *steps)
        return result

    def judge(self, carry: Carry, *data: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and metric on the queries, shape (episodes,)."""
        judge = self.inner_loop.transforms.vmap(self._judge_one, randomness="different")
        judged: tuple[Tensor, Tensor] = judge(carry, *data)
        return judged

    @property
    def _theta_axis(self) -> int | None:
        return 0 if self.perturbed else None

    def _advance_one(
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
        whole = self.inner_loop.task.batch_size is None
        pairs = [(inputs, targets)] * count if whole else list(zip(inputs, targets, strict=True))
        batches = [(*pair, *scale) for pair in pairs]
        params, state, losses = self.inner_loop.advance(theta, *carry, batches, first, horizon)
        return (params, state), losses

    def _judge_one(self, carry: Carry, *episode: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner_loop.query(*carry, episode[0], *episode[2:])


def check_adapts(inner_loop: InnerLoop, episode: Episodes) -> None:
    """Compute loss and metric of one episode as a plain loop would, without vmap or gradients.

    Args:
        inner_loop: whose model, loss and metric.
        episode: one, from any partition.

    Raises:
        InputError: something fails; the message tells apart what is in the model's code and what in the dtypes.
    """
    rows = inner_loop.task.batch_size  # as many as a step sees, for the support set of a whole training is large
    support_inputs, support_targets = (tensor[0, :rows] for tensor in episode.tensors[:2])
    query_inputs, query_targets = (tensor[0] for tensor in episode.tensors[2:])
    name, params = inner_loop.task.name, inner_loop.parameters
    try:
        with torch.no_grad():
            values = [
                inner_loop.loss(params, support_inputs, support_targets),
                *inner_loop.measured(params, support_inputs, query_inputs, query_targets),
            ]
    except Exception as error:  # whatever a stranger's model raises
        raise failure(name, "an episode", error, support_inputs, support_targets, params.values()) from error
    for part, value in zip(("loss", "loss", "metric"), values, strict=True):
        if not isinstance(value, Tensor) or value.ndim:
            shown = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{quoted(value)}"
            raise InputError(f"Task {name!r}: the {part} must be a 0-d tensor, the mean over a set, got {shown}.")
