"""Inner loops of many episodes at once, forwards and backwards, within a limit of memory.

An inner loop has three parts: `begin` (start and state), `advance` (steps on the support set), `judge` (the queries).
Where an unroll is small, a gradient goes through all three in one graph. Where it is large, each part has a graph for
a few steps, the states between them are kept, and the gradient walks back through these, each segment computed again:
memory is that of one segment, and no graph grows with the number of steps.

Where `torch.vmap` fails on the model, all of this is done one episode after the other, and no graph is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from metaopt.contracts import Episodes, Tensors, Theta, default_for
from metaopt.inner import GraphCache, GraphMode
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.vmapped_episode import Carry, VmappedEpisodes, Window

#: Bytes that the states and intermediate values of the steps in one graph may take, by a rough count.
LIMIT = 512 * 2**20
#: Numbers that a step keeps for its way back, for each number of parameters and state.
KEPT = 12
#: Bytes of a layer's output, over all episodes side by side, with which a processor's cache is still of use.
CACHED = 12 * 2**20
#: Episodes that are evaluated side by side at most; fewer where they need much memory.
EVALUATED_TOGETHER = 100


@dataclass(frozen=True)
class Gradient:
    """The meta-gradient of a window.

    Attributes:
        theta: gradient of the objective, mean over episodes.
        objective: mean over episodes, 0-d.
        carry: parameters and state after the window.
    """

    theta: Tensors
    objective: Tensor
    carry: Carry


class Unrolls:
    """Unrolled inner loops, with the graphs made so far.

    Args:
        inner_loop: what one episode does.
        theta: any weights of its rule.
        mode: how graphs are run; there are none where episodes are adapted to one after the other.
        limit: bytes, see LIMIT.

    Attributes:
        learns_start: whether the rule has a start of its own for every parameter, so that fresh ones do not matter.
        mode: how graphs are run, `"eager"` where there are none.
    """

    def __init__(self, inner_loop: InnerLoop, theta: Theta, mode: GraphMode = "replayed", limit: int = LIMIT) -> None:
        self.inner_loop = inner_loop
        self.learns_start = inner_loop.learns_start(theta)
        self._episodes = VmappedEpisodes(inner_loop, self.learns_start)
        self.mode: GraphMode = mode if inner_loop.loop_reason is None else "eager"
        self._transforms = inner_loop.transforms
        self._limit = limit
        self._graphs = GraphCache()
        state = inner_loop.rule.init(inner_loop.parameters, inner_loop.hparams, theta, _number(1))
        self._carried = sum(leaf.numel() for leaf in tree_leaves((inner_loop.parameters, state)))
        self._widest: dict[Any, int] = {}

    def gradient(self, theta: Tensors, window: Window, carry: Carry | None, starts: Tensors | None) -> Gradient:
        """The gradient of a window's objective.

        Args:
            theta: learned weights.
            window: the steps.
            carry: where they begin; None for the start.
            starts: fresh parameters, shape (episodes, *shape), if `carry` is None and the rule learned no start.
        """
        size, segment = self._plan(window)
        count = len(window.episodes)
        gradients = []
        for begin in range(0, count, size):
            rows = slice(begin, min(begin + size, count))
            before = _of(carry, rows) if carry is not None else None
            fresh = None if starts is None else {name: start[rows] for name, start in starts.items()}
            if segment >= window.num_steps:
                gradients.append(self._whole(theta, window.rows(rows), before, fresh))
            else:
                gradients.append(self._segmented(theta, window.rows(rows), before, fresh, segment))
        if len(gradients) == 1:
            return gradients[0]
        return _mean(gradients, [min(size, count - row) for row in range(0, count, size)])

    def draw_starts(self, count: int, generator: torch.Generator) -> Tensors | None:
        """Fresh parameters of so many models; None where the rule learned its start."""
        return None if self.learns_start else self.inner_loop.draw_starts(count, generator)

    @torch.no_grad()
    def adapted(self, theta: Tensors, window: Window, starts: Tensors | None) -> tuple[Carry, Tensor, Tensor]:
        """Run a window from the start without a gradient: where it ends, and each episode's loss and metric there."""
        segment = self._plan(window)[1]
        if segment >= window.num_steps:
            steps, params = self._steps(window, 0, window.num_steps), self._params(starts)
            carry, _, loss, metric = self._run(
                self._episodes.fresh, (theta, params, window.episodes.tensors, steps), (window.num_steps,)
            )
            return carry, loss, metric
        carry = self._run(self._episodes.begin, (theta, *self._beginning(window, starts)))
        for first, count in _segments(window.num_steps, segment):
            carry, _ = self._run(self._episodes.advance, (theta, carry, self._steps(window, first, count)), (count,))
        loss, metric = self._run(self._episodes.judge, (carry, *window.episodes.tensors))
        return carry, loss, metric

    @torch.no_grad()
    def metrics(self, theta: Tensors, episodes: Episodes, num_steps: int, seed: int = 0) -> Tensor:
        """The metric of each episode after so many steps, lower is better, shape (episodes,)."""
        generator = torch.Generator().manual_seed(seed)
        metrics = []
        size = min(EVALUATED_TOGETHER, self.side_by_side(episodes))
        for begin in range(0, len(episodes), size):
            part = Episodes(*(tensor[begin : begin + size] for tensor in episodes.tensors))
            batches = self.inner_loop.draw_batches(part, num_steps, generator)
            starts = self.draw_starts(len(part), generator)
            metrics.append(self.adapted(theta, Window(part, batches, 0, num_steps, num_steps), starts)[2])
        return torch.cat(metrics)

    def side_by_side(self, episodes: Episodes) -> int:
        """How many of the episodes are computed together: as many as memory and a processor's cache have room for."""
        if self.inner_loop.loop_reason is not None:
            return 1
        count, most = len(episodes), self._limit // (KEPT * self._carried * 4)
        if self.inner_loop.device.type == "cpu":
            most = min(most, CACHED // self._widest_output(episodes))
        most = max(1, min(count, int(most)))
        even = max(size for size in range(1, most + 1) if count % size == 0)  # parts of one size share their graphs
        return even if 2 * even >= most else most

    def _widest_output(self, episodes: Episodes) -> int:
        shapes = tuple(tensor.shape[1:] for tensor in episodes.tensors)
        if shapes not in self._widest:
            self._widest[shapes] = _widest_output(self.inner_loop, episodes)
        return self._widest[shapes]

    # A window in one graph.

    def _whole(self, theta: Tensors, window: Window, carry: Carry | None, starts: Tensors | None) -> Gradient:
        steps = self._steps(window, 0, window.num_steps)
        weights = _number(window.step_weight), _number(window.judge_weight)
        tensors = (theta, window.episodes.tensors, steps, weights)
        if carry is None:
            gradient, (objective, after) = self._run(
                self._fresh_gradient, (*tensors, self._params(starts)), (window.num_steps,)
            )
        else:
            gradient, (objective, after) = self._run(self._carried_gradient, (*tensors, carry), (window.num_steps,))
        return Gradient(gradient, objective, after)

    def _fresh_gradient(self, theta: Tensors, data: Any, steps: Any, weights: Any, params: Tensors, count: int) -> Any:
        def objective(theta: Tensors) -> tuple[Tensor, Any]:
            after, losses, judged, _ = self._episodes.fresh(theta, params, data, steps, count)
            return _weighed(losses, judged, weights, after)

        return self._transforms.grad(objective, has_aux=True)(theta)

    def _carried_gradient(self, theta: Tensors, data: Any, steps: Any, weights: Any, carry: Carry, count: int) -> Any:
        def objective(theta: Tensors) -> tuple[Tensor, Any]:
            after, losses = self._episodes.advance(theta, carry, steps, count)
            return _weighed(losses, self._episodes.judge(after, *data)[0], weights, after)

        return self._transforms.grad(objective, has_aux=True)(theta)

    # A window in segments: the chain rule by hand, so that only the states between segments are kept.

    @torch.no_grad()
    def _segmented(
        self, theta: Tensors, window: Window, carry: Carry | None, starts: Tensors | None, segment: int
    ) -> Gradient:
        beginning = self._beginning(window, starts)
        at = carry if carry is not None else self._run(self._episodes.begin, (theta, *beginning))
        parts = _segments(window.num_steps, segment)
        before, total = [], torch.zeros((), device=self.inner_loop.device)
        for first, count in parts:
            before.append(at)
            at, losses = self._run(self._episodes.advance, (theta, at, self._steps(window, first, count)), (count,))
            total = total + window.step_weight * losses[:, 1 if first == 0 else 0 :].sum(1).mean()
        judged, back = self._run(self._judge_back, (at, *window.episodes.tensors))
        total = total + window.judge_weight * judged
        back = tree_map(lambda tensor: window.judge_weight * tensor, back)
        gradient = {name: torch.zeros_like(weights) for name, weights in theta.items()}
        for state, (first, count) in zip(reversed(before), reversed(parts), strict=True):
            weights = torch.full((count,), window.step_weight / len(window.episodes), device=self.inner_loop.device)
            if first == 0:
                weights[0] = 0.0
            steps = self._steps(window, first, count)
            part, back = self._run(self._advance_back, (theta, state, steps, back, weights), (count,))
            gradient = {name: gradient[name] + part[name] for name in gradient}
        if carry is None:
            part = self._run(self._begin_back, (theta, beginning, back))
            gradient = {name: gradient[name] + part[name] for name in gradient}
        return Gradient(gradient, total, at)

    def _judge_back(self, carry: Carry, *data: Tensor) -> tuple[Tensor, Carry]:
        judge = self._transforms.grad(lambda at: (self._episodes.judge(at, *data)[0].mean(),) * 2, has_aux=True)
        back, judged = judge(carry)
        return judged, back

    def _advance_back(self, theta: Tensors, carry: Carry, steps: Any, back: Carry, weights: Tensor, count: int) -> Any:
        outputs, pull, *_ = self._transforms.vjp(
            lambda theta, carry: self._episodes.advance(theta, carry, steps, count), theta, carry
        )
        losses = outputs[1]
        return pull((back, weights.expand_as(losses)))

    def _begin_back(self, theta: Tensors, beginning: Any, back: Carry) -> Tensors:
        pull = self._transforms.vjp(lambda theta: self._episodes.begin(theta, *beginning), theta)[1]
        return cast(Tensors, pull(back)[0])

    # Arguments of the graphs.

    def _run(self, function: Any, tensors: tuple[Any, ...], settings: tuple[Any, ...] = ()) -> Any:
        return self._graphs.run(function, self.mode, tensors, settings)

    def _params(self, starts: Tensors | None) -> Tensors:
        return self.inner_loop.parameters if self.learns_start or starts is None else starts

    def _beginning(self, window: Window, starts: Tensors | None) -> tuple[Tensors, Tensor, Tensor, Tensor]:
        support = window.episodes.tensors[:2]
        return self._params(starts), *support, _number(window.horizon)

    def _steps(self, window: Window, first: int, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        data = window.episodes.tensors[:2]
        if window.batches is not None:
            data = window.batches[0][:, first : first + count], window.batches[1][:, first : first + count]
        return *data, _number(window.first_step + first), _number(window.horizon)

    def _plan(self, window: Window) -> tuple[int, int]:
        """Episodes side by side, and steps in a graph, that stay within the limit."""
        episodes = self.side_by_side(window.episodes)
        steps = max(1, int(self._limit // (KEPT * self._carried * 4 * episodes)))
        return episodes, min(steps, window.num_steps)


class _Sizes(TorchDispatchMode):
    """Inside, the largest result of an operation is remembered, in bytes."""

    largest = 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.largest = max(self.largest, *(leaf.nbytes for leaf in tree_leaves(result) if isinstance(leaf, Tensor)), 1)
        return result


@torch.no_grad()
def _widest_output(inner_loop: InnerLoop, episodes: Episodes) -> int:
    """Bytes of the largest tensor that a forward pass makes of one episode's support set or queries."""
    sizes = _Sizes()
    with sizes, default_for(lambda: episodes.tensors[:2]):
        for inputs in (episodes.support_inputs[0], episodes.query_inputs[0]):
            inner_loop.output(inner_loop.parameters, inputs.to(inner_loop.device))
    return sizes.largest


def _weighed(losses: Tensor, judged: Tensor, weights: Any, after: Carry) -> tuple[Tensor, Any]:
    """The objective, and what is returned beside its gradient."""
    total = (weights[0] * losses[:, 1:].sum(1) + weights[1] * judged).mean()
    return total, (total.detach(), tree_map(torch.Tensor.detach, after))


def _segments(num_steps: int, segment: int) -> list[tuple[int, int]]:
    """First step and length of each part."""
    return [(first, min(segment, num_steps - first)) for first in range(0, num_steps, segment)]


def _number(value: float) -> Tensor:
    return torch.tensor(float(value))


def _of(carry: Carry, rows: slice) -> Carry:
    return cast(Carry, tree_map(lambda tensor: tensor[rows], carry))


def _mean(parts: Sequence[Gradient], sizes: Sequence[int]) -> Gradient:
    """The gradient of a whole meta-batch from those of its parts."""
    weighted = [(size / sum(sizes), part) for size, part in zip(sizes, parts, strict=True)]
    theta = {
        name: torch.stack([share * part.theta[name] for share, part in weighted]).sum(0) for name in parts[0].theta
    }
    objective = torch.stack([share * part.objective for share, part in weighted]).sum()
    carry = tree_map(lambda *carries: torch.cat(carries), *(part.carry for part in parts))
    return Gradient(theta, objective, carry)
