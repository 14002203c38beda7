"""Many trainings side by side, in pairs of one start, one horizon and the same batches, some steps at a time.

They begin at different times, and their horizons are drawn log-uniformly; a training that is over begins anew. What
differs within a pair is decided by the estimator that uses them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from metaopt.contracts import Episodes, Tensors, Theta
from metaopt.inner import GraphCache, GraphMode
from metaopt.meta.estimators.contract import EstimatorState
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.ranks import Ranks
from metaopt.meta.task_episodes import TaskEpisodes
from metaopt.meta.vmapped_episode import Carry, VmappedEpisodes

#: Losses count as so many times the first one at most; those that are not finite count as that.
MOST = 5.0
#: Where logarithms are taken, so many times the first one at least.
LEAST = 1e-3
#: Steps in one replayed graph. Compiled, each step more takes as long to make as the first, and saves little.
GRAPH_STEPS = 5


@dataclass(frozen=True)
class Trainings:
    """As many pairs as the task has episodes an iteration; in tensors all first halves come before all second ones.

    Attributes:
        inner_loop: what one training does.
        theta: any weights of its rule.
        longest: steps of the longest training.
        truncation: steps a call.
        rescaled: parameters are multiplied by a log-uniform number between 1 / rescaled and this before the model sees
            them, and begin divided by it, which changes how large they and their gradients look to the rule.
        shortest: steps of the shortest training; a truncation's if left out.
        mode: how graphs are run.
    """

    inner_loop: InnerLoop
    theta: Theta
    longest: int
    truncation: int
    rescaled: float = 1.0
    shortest: int | None = None
    mode: GraphMode = "replayed"

    @property
    def count(self) -> int:
        """Pairs."""
        return self.inner_loop.task.episodes_per_iteration

    @cached_property
    def _episodes(self) -> VmappedEpisodes:
        return VmappedEpisodes(self.inner_loop, self.inner_loop.learns_start(self.theta), perturbed=True)

    @cached_property
    def _graphs(self) -> GraphCache:
        return GraphCache()

    def current(
        self, thetas: Tensors, state: EstimatorState, generator: torch.Generator
    ) -> tuple[EstimatorState, Tensor]:
        """The trainings, those that are over begun anew, and which pairs those are, shape (pairs,).

        Args:
            thetas: weights of each training.
            state: what `after` returned, or empty.
            generator: of everything random.
        """
        count = self.count
        if not state:
            begun = self._begun(thetas, torch.arange(count), generator)
            # The first ones are cut short at random, so that later ones begin at different times.
            share = torch.rand(count, generator=generator).to(begun["end"].device)
            begun["end"] = (share * begun["end"] / self.truncation).ceil().clamp_min(1) * self.truncation
            return begun, torch.ones_like(begun["end"], dtype=torch.bool)
        ended = state["step"] >= state["end"]
        over = ended.nonzero().flatten()
        if not len(over):
            return state, ended
        begun = self._begun(thetas, over, generator)

        def placed(old: Tensor, new: Tensor) -> Tensor:
            rows = over if len(old) == count else torch.cat([over, over + count])
            return old.index_copy(0, rows, new.to(old.dtype))

        return tree_map(placed, dict(state), begun), ended

    def advanced(self, thetas: Tensors, before: EstimatorState, generator: torch.Generator) -> tuple[Tensor, Carry]:
        """Losses before each step of a truncation, shape (2 · pairs, steps), and where they end.

        Of several processes each computes its share of the pairs; then all have all results.
        """
        ranks, count = Ranks.current(), len(before["step"])
        mine = ranks.share(count)
        rows = torch.arange(count, device=self.inner_loop.device)[mine]
        twice = torch.cat([rows, rows + count])
        episodes = (
            Episodes(*before["episodes"]) if before["episodes"] else self.inner_loop.draw_episodes(count, generator)
        )
        batches = self.inner_loop.draw_batches(episodes, self.truncation, generator)
        all_rows = (thetas, before["params"], before["rule"], before["step"].repeat(2), before["horizon"].repeat(2))
        own = tree_map(lambda tensor: tensor[twice], all_rows) if ranks.world > 1 else all_rows
        thetas, params, rule, step, horizon = own
        data = [torch.cat([tensor[mine], tensor[mine]]) for tensor in batches or episodes.tensors[:2]]
        scale = before["scale"].repeat(2)[twice]
        carry, losses = self._run(thetas, (params, rule), data, (step, horizon, scale), self.truncation)
        return ranks.gathered(losses), tree_map(ranks.gathered, carry)

    def after(self, before: EstimatorState, losses: Tensor, carry: Carry) -> EstimatorState:
        """The state once `advanced`; a pair ends as soon as a loss of either half is not finite.

        The lost half counts as `MOST` in this truncation, so that a rule pays for it. From then on the halves no longer
        differ by what their noise does: one of them stands still at `MOST`, and is no baseline for the other.
        """
        step = before["step"] + self.truncation
        both_finite = losses.isfinite().all(1).reshape(2, self.count).all(0)
        level = torch.where(before["step"] == 0, losses[:, 0].reshape(2, self.count).mean(0), before["level"])
        end = torch.where(both_finite, before["end"], step)
        return {**before, "params": carry[0], "rule": carry[1], "level": level, "step": step, "end": end}

    def values(self, losses: Tensor, after: EstimatorState, *, logarithmic: bool) -> Tensor:
        """Losses in units of their training's first one, or the logarithms of that, shape (2 · pairs, steps)."""
        level = after["level"].abs().clamp_min(1e-8).repeat(2).unsqueeze(1)
        values: Tensor = (losses / level).nan_to_num(MOST, MOST, -MOST)
        return values.clamp(LEAST, MOST).log() if logarithmic else values.clamp(-MOST, MOST)

    @torch.no_grad()
    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int, seed: int = 0) -> Tensor:
        """The metric of each episode after so many steps, lower is better, shape (episodes,).

        As many trainings are run side by side as in `estimate`, by the same graphs.
        """
        device, size = self.inner_loop.device, 2 * self.count
        generator, metrics = torch.Generator().manual_seed(seed), []
        for begin in range(0, len(episodes), size):
            rows = torch.arange(begin, begin + size) % len(episodes)
            part = Episodes(*(tensor[rows.to(tensor.device)] for tensor in episodes.tensors))
            thetas = {name: weights.expand(size, *weights.shape).contiguous() for name, weights in theta.items()}
            starts = self.inner_loop.draw_starts(size, generator)
            horizon, ones = torch.full((size,), float(num_steps), device=device), torch.ones(size, device=device)
            carry = self._episodes.begin(
                thetas,
                self.inner_loop.parameters if self._episodes.learns_start else starts,
                *part.tensors[:2],
                horizon,
            )
            for first in range(0, num_steps, self.truncation):
                count = min(self.truncation, num_steps - first)
                data = self.inner_loop.draw_batches(part, count, generator) or part.tensors[:2]
                carry, _ = self._run(thetas, carry, data, (ones * first, horizon, ones), count)
            mode: GraphMode = "eager" if self.mode == "eager" else "replayed"
            judged = self._graphs.run(self._episodes.judge, mode, (carry, *part.tensors), ())[1]
            metrics.append(judged[: len(episodes) - begin])
        return torch.cat(metrics)

    def _run(
        self, thetas: Tensors, carry: Carry, data: Sequence[Tensor], numbers: tuple[Tensor, Tensor, Tensor], count: int
    ) -> tuple[Carry, Tensor]:
        """So many steps of trainings side by side: where they end, and the losses before each, (trainings, steps).

        `data` are inputs and targets of each step, or the whole support set where every step sees that; `numbers` are
        steps completed, horizons and scales.
        """
        step, horizon, scale = numbers
        together, parts = 1 if self.mode == "compiled" else GRAPH_STEPS, []
        whole = self.inner_loop.task.batch_size is None
        for first in range(0, count, together):
            steps = min(together, count - first)
            part = data if whole else [tensor[:, first : first + steps] for tensor in data]
            tensors = (thetas, carry, (*part, step + first, horizon, scale))
            carry, losses = self._graphs.run(self._episodes.advance, self.mode, tensors, (steps,))
            parts.append(losses)
        return carry, torch.cat(parts, dim=1)

    def _begun(self, thetas: Tensors, rows: Tensor, generator: torch.Generator) -> EstimatorState:
        """New trainings for some of the pairs; both trainings of a pair have the same start."""
        count, device = len(rows), self.inner_loop.device
        twice = torch.cat([rows, rows + self.count]).to(device)
        thetas = {name: weights[twice] for name, weights in thetas.items()}
        spread = math.log(self.rescaled) * (2 * torch.rand(count, generator=generator) - 1)
        scale = spread.exp().to(device)
        horizon = self.truncation * self._truncations(torch.rand(count, generator=generator)).to(device)
        episodes = self.inner_loop.draw_episodes(count, generator)
        starts = self.inner_loop.draw_starts(count, generator)
        params = {name: torch.cat([start, start]) for name, start in starts.items()}
        scales = scale.repeat(2)
        params = {
            name: start / scales.reshape(-1, *[1] * (start.ndim - 1)).to(start.dtype) for name, start in params.items()
        }
        support = [torch.cat([tensor, tensor]) for tensor in episodes.tensors[:2]]
        begin = self.inner_loop.parameters if self._episodes.learns_start else params
        params, rule = self._episodes.begin(thetas, begin, support[0], support[1], horizon.repeat(2))
        return {
            "params": params,
            "rule": rule,
            "step": torch.zeros(count, device=device),
            "end": horizon.clone(),
            "horizon": horizon,
            "scale": scale,
            "level": torch.ones(count, device=device),
            "episodes": [] if isinstance(self.inner_loop.task.source, TaskEpisodes) else list(episodes.tensors),
        }

    def _truncations(self, share: Tensor) -> Tensor:
        """Log-uniform whole numbers from those of the shortest to those of the longest training."""
        least, most = ((steps or self.truncation) // self.truncation for steps in (self.shortest, self.longest))
        return (least * ((most + 1) / least) ** share).floor().clamp(least, most)
