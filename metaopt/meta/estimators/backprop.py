"""The meta-gradient by backpropagation through the unrolled inner loop, whole or truncated."""

from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.contracts import Episodes, Theta
from metaopt.meta.estimators.contract import Estimate, EstimatorState
from metaopt.meta.unrolls import Unrolls
from metaopt.meta.vmapped_episode import Window


@dataclass(frozen=True)
class Backprop:
    """∇_θ of the query loss after the inner loop, or of the mean training loss along it.

    Truncated, each call takes the next steps of the same inner loops: a gradient passes back through these alone, while
    parameters and state come from the steps before. This is biased where it is shorter than the loop.

    Attributes:
        unrolls: the inner loops.
        num_steps: of an inner loop.
        truncation: steps a call; None for all.
        trajectory: whether the training losses after each step count, instead of the query loss at the end.
    """

    unrolls: Unrolls
    num_steps: int
    truncation: int | None = None
    trajectory: bool = False

    def estimate(
        self, theta: Theta, state: EstimatorState, generator: torch.Generator
    ) -> tuple[Estimate, EstimatorState]:
        """See `Estimator`."""
        task, inner_loop = self.unrolls.inner_loop.task, self.unrolls.inner_loop
        carry, first, starts = None, 0, None
        if state:
            episodes, carry, first = Episodes(*state["episodes"]), (state["params"], state["rule"]), state["step"]
        else:
            episodes = inner_loop.draw_episodes(task.episodes_per_iteration, generator)
            starts = self.unrolls.draw_starts(len(episodes), generator)
        count = min(self.truncation or self.num_steps, self.num_steps - first)
        gradient = self.unrolls.gradient(dict(theta), self._window(episodes, first, count, generator), carry, starts)
        estimate = Estimate(gradient.theta, gradient.objective)
        if first + count >= self.num_steps:
            return estimate, {}
        params, rule = gradient.carry
        return estimate, {"episodes": list(episodes.tensors), "params": params, "rule": rule, "step": first + count}

    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int) -> Tensor:
        """See `Estimator`."""
        return self.unrolls.metrics(dict(theta), episodes, num_steps)

    def _window(self, episodes: Episodes, first: int, count: int, generator: torch.Generator) -> Window:
        # Along a trajectory the last step of a window is judged by a batch more.
        batches = self.unrolls.inner_loop.draw_batches(episodes, count + self.trajectory, generator)
        if not self.trajectory:
            return Window(episodes, batches, first, count, self.num_steps)
        share, support = 1.0 / count, episodes.tensors[:2]
        judged = support if batches is None else (batches[0][:, -1], batches[1][:, -1])
        return Window(Episodes(*support, *judged), batches, first, count, self.num_steps, share, share)
