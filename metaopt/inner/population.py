"""Trains many configurations and seeds on one task, side by side, and records their curves."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn

from metaopt.contracts import Curve, Split, Task, Tensors
from metaopt.inner.batches import batch_indices
from metaopt.inner.gradients import GradientSource, LoopedGradients, MemberBatch, VmappedGradients
from metaopt.inner.layout import Layout
from metaopt.inner.member import Member
from metaopt.inner.member_rates import MemberRates
from metaopt.inner.updates import RuleGroup
from metaopt.inner.vmappable import loop_reason

#: Members that run side by side; more are run in further chunks.
CHUNK = 128


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of one member.

    Attributes:
        curve: its validations, lower is better.
        seconds: its share of the wall-clock time.
    """

    curve: Curve
    seconds: float


def train(
    task: Task,
    members: Sequence[Member],
    *,
    theta: Mapping[str, Tensor] | None = None,
    engine: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> list[Trained]:
    """Train every member on the task.

    Args:
        task: what to train.
        members: any mix of configurations and seeds.
        theta: learned weights, for members whose rule has them.
        engine: `"population"` (vmap), `"loop"`, or `"auto"`: vmap unless `loop_reason` names an obstacle.
        progress: called with the number of member-steps done since the last call.

    Returns:
        One result for each member, in their order.
    """
    looped = loop_reason(task) is not None if engine == "auto" else engine == "loop"
    order = sorted(range(len(members)), key=lambda index: (members[index].assembly.structure, index))
    results: dict[int, Trained] = {}
    chunk = 1 if looped else CHUNK
    for begin in range(0, len(order), chunk):
        rows = order[begin : begin + chunk]
        chosen = [members[row] for row in rows]
        started = time.perf_counter()
        curves = _Run(task, chosen, theta or {}, looped).curves(progress)
        seconds = (time.perf_counter() - started) / len(rows)
        results.update({row: Trained(curve, seconds) for row, curve in zip(rows, curves, strict=True)})
    return [results[row] for row in range(len(members))]


class _Run:
    """One chunk of members on one task, sorted by structure."""

    def __init__(self, task: Task, members: list[Member], theta: Mapping[str, Tensor], looped: bool) -> None:
        self._task = task
        self._members = members
        modules = {seed: task.build(seed) for seed in sorted({member.seed for member in members})}
        own = [modules[member.seed] for member in members]
        self._layout = Layout([dict(module.named_parameters()) for module in own], _spared(members, own[0]))
        self._groups = self._rule_groups(theta)
        self._rates = MemberRates(members, task.num_steps)
        self._base = self._base_rates()
        self._requires = frozenset().union(*(member.assembly.requires for member in members))
        self._batches = _Batches(task, [member.seed for member in members])
        self._source = self._gradient_source(own, looped)

    def curves(self, progress: Callable[[int], None] | None) -> list[Curve]:
        """Train to the end and return each member's curve."""
        moments = set(self._task.validation_steps)
        record = _Record()
        losses: list[Tensor] = []
        for step in range(self._task.num_steps):
            losses.append(self._step(step))
            if step + 1 in moments:
                self._validate(step + 1, torch.stack(losses).mean(0), record)
                losses.clear()
                if progress is not None:
                    progress(len(self._members) * (step + 1 - record.last_step))
                record.last_step = step + 1
        return record.curves(self._task.num_steps)

    def _step(self, step: int) -> Tensor:
        grads, losses = self._source.gradients(self._layout.views, self._batches.at(step))
        joined = self._layout.join(grads) if any(group.wants_buffers for group in self._groups) else {}
        signals = self._signals(grads)
        rates = self._rates.at(step, self._base, losses, signals)
        for group in self._groups:
            found = joined if group.wants_buffers else grads
            with_lr = rates[group.rows] if group.base_rates is not None else None
            group.step(step, found, with_lr, losses, signals)
        return losses

    def _validate(self, step: int, train_loss: Tensor, record: "_Record") -> None:
        views = self._evaluation_views()
        splits = self._task.splits
        validation = self._source.evaluate(views, splits.validation)
        test = self._source.evaluate(views, splits.test)
        self._rates.validated(step, validation)
        record.add(step, validation, test, train_loss)

    def _signals(self, grads: Tensors) -> Tensors:
        if "gradient_norm" not in self._requires:
            return {}
        squares = [grad.flatten(1).square().sum(1) for grad in grads.values()]
        return {"gradient_norm": torch.stack(squares).sum(0).sqrt()}

    def _evaluation_views(self) -> Tensors:
        parts = [group.evaluation_views() for group in self._groups]
        return {name: torch.cat([part[name] for part in parts]) for name in self._layout.shapes}

    def _rule_groups(self, theta: Mapping[str, Tensor]) -> list[RuleGroup]:
        groups: list[RuleGroup] = []
        begin = 0
        for _, found in groupby(self._members, key=lambda member: member.assembly.structure):
            same = list(found)
            groups.append(RuleGroup(same, self._layout, begin, self._task.num_steps, theta))
            begin += len(same)
        return groups

    def _base_rates(self) -> Tensor:
        parts = []
        for group in self._groups:
            base = group.base_rates
            parts.append(torch.ones(group.rows.stop - group.rows.start) if base is None else base)
        return torch.cat(parts)

    def _gradient_source(self, own: list[nn.Module], looped: bool) -> GradientSource:
        if looped:
            return LoopedGradients(self._task, own, [member.seed for member in self._members])
        return VmappedGradients(self._task, own[0], shared=self._batches.shared)


class _Batches:
    """Each step's batch: one for all members where they share a seed, else one for each."""

    def __init__(self, task: Task, seeds: Sequence[int]) -> None:
        self._train = task.splits.train
        indices = {seed: batch_indices(len(self._train), task.batch_size, task.num_steps, seed) for seed in set(seeds)}
        self.shared = len(indices) == 1
        self._indices = indices[seeds[0]] if self.shared else torch.stack([indices[seed] for seed in seeds], dim=1)

    def at(self, step: int) -> Split:
        rows = self._indices[step]
        kind = Split if self.shared else MemberBatch
        return kind(self._train.inputs[rows], self._train.targets[rows])


class _Record:
    """Series that grow at each validation."""

    def __init__(self) -> None:
        self.last_step = 0
        self._steps: list[int] = []
        self._series: dict[str, list[Tensor]] = {"validation": [], "test": [], "train_loss": []}

    def add(self, step: int, validation: Tensor, test: Tensor, train_loss: Tensor) -> None:
        self._steps.append(step)
        for name, value in (("validation", validation), ("test", test), ("train_loss", train_loss)):
            self._series[name].append(value.detach().to("cpu", torch.float64))

    def curves(self, horizon: int) -> list[Curve]:
        arrays = {name: torch.stack(series, dim=1).numpy() for name, series in self._series.items()}
        return [
            Curve(
                steps=np.asarray(self._steps, dtype=np.float64),
                values=arrays["validation"][row],
                horizon=horizon,
                test=arrays["test"][row],
                signals={"train_loss": arrays["train_loss"][row]},
            )
            for row in range(len(arrays["validation"]))
        ]


def _spared(members: Sequence[Member], module: nn.Module) -> frozenset[str]:
    """Names that any member spares from weight decay; the buffers are split there for all of them."""
    return frozenset(
        name
        for name, param in module.named_parameters()
        if any(not member.assembly.decays(param) for member in members)
    )
