"""Trains many configurations and seeds on one task, side by side, and records their curves."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from metaopt.contracts import Curve, Float32ByDefault, Split, Task, Tensors, Theta
from metaopt.inner.curve_recorder import CurveRecorder
from metaopt.inner.deployed_member import DeployedMember
from metaopt.inner.gradients.balanced import balanced_if_any
from metaopt.inner.gradients.batches import Batches, first_inputs
from metaopt.inner.gradients.looped import LoopedGradients, balances_of
from metaopt.inner.gradients.source import GradientSource
from metaopt.inner.gradients.vmapped import Constants, VmappedGradients
from metaopt.inner.graphs import Graphs
from metaopt.inner.kept_checkpoints import KeptCheckpoints
from metaopt.inner.member import Member
from metaopt.inner.skipping import Skipping, are_lost, norms
from metaopt.inner.updates.layout import Flats, Layout
from metaopt.inner.updates.member_rates import MemberRates
from metaopt.inner.updates.role_rule import check_taken
from metaopt.inner.updates.rule_groups import RuleGroup
from metaopt.inner.workload import Compile, Plan, Workload, filling
from metaopt.signals import agreement

#: Members that run side by side, more are run in further chunks; fewer where models are large (see `_chunk_size`).
CHUNK = 256
#: Numbers in one flat buffer of a population.
COORDINATES = 16_777_216
#: Members that the loop engine updates together.
LOOP_CHUNK = 16
#: Signals that curves may have beside `train_loss`, when somebody asks for them.
RECORDABLE = frozenset({"evidence", "stop"})
#: Training examples that evidence is taken from.
EVIDENCE_EXAMPLES = 512


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of one member.

    Attributes:
        curve: its validations, lower is better.
        seconds: its share of the wall-clock time.
    """

    curve: Curve
    seconds: float


@Float32ByDefault()
def train(
    task: Task,
    members: Sequence[Member],
    *,
    theta: Theta | None = None,
    engine: str = "auto",
    compile: Compile = "auto",
    ahead: Workload | None = None,
    signals: frozenset[str] = frozenset(),
    resampled: bool = False,
    progress: Callable[[int], None] | None = None,
    graphs: Graphs | None = None,
) -> list[Trained]:
    """Train every member on the task, with the splits that its seed draws (see `metaopt.contracts.tasks.draws`).

    Args:
        task: what to train.
        members: any mix of configurations and seeds.
        theta: learned weights, for members that all have the rule that they belong to.
        engine: `"population"` (vmap), `"loop"`, or `"auto"`: vmap unless `loop_reason` names an obstacle. Members whose
            optimizer has no rule train one after the other, whatever the engine (see `DeployedMember`).
        compile: `"on"` and `"off"` decide for all graphs, `"auto"` compiles those that repay themselves by `ahead`.
        ahead: what is still to come, this call included; this call alone if left out.
        signals: those of `RECORDABLE` that curves shall have beside `train_loss`, for stoppers that require them.
        resampled: whether curves shall have `Curve.resampled`.
        progress: called with the number of member-steps done since the last call.
        graphs: of earlier populations, to which this one adds; made for this call if left out.

    Returns:
        One result for each member, in their order.
    """
    graphs = graphs or Graphs()
    looped = graphs.loop_reason(task) is not None if engine == "auto" else engine == "loop"
    draws = [task.draw(member.seed) for member in members]
    ruled = [row for row, member in enumerate(members) if member.assembly.pure_rule is not None]
    order = sorted(ruled, key=lambda row: (draws[row] or 0, members[row].assembly.structure, row))
    results = {
        row: _trained_alone(task, member, graphs.refusing, signals, resampled, progress)
        for row, member in enumerate(members)
        if member.assembly.pure_rule is None
    }
    if not ruled:
        return [results[row] for row in range(len(members))]
    chunk = LOOP_CHUNK if looped else _chunk_size(graphs.of_task(task).layout)
    chunks = -(-len(ruled) // chunk)
    ahead = ahead or Workload(filling(len(ruled)) * task.num_steps, chunks * task.num_steps)
    plan = Plan(looped, compile, ahead, graphs, resampled)
    for _, same in groupby(order, key=lambda row: draws[row]):
        drawn = list(same)
        divided = task.at(members[drawn[0]].seed)
        if not looped:
            graphs.share(divided, task)
        for begin in range(0, len(drawn), chunk):
            rows = drawn[begin : begin + chunk]
            started = time.perf_counter()
            curves = _Chunk(divided, [members[row] for row in rows], theta or {}, plan, signals).curves(progress)
            seconds = (time.perf_counter() - started) / len(rows)
            results.update({row: Trained(curve, seconds) for row, curve in zip(rows, curves, strict=True)})
    return [results[row] for row in range(len(members))]


def _trained_alone(
    task: Task,
    member: Member,
    refusing: set[str],
    signals: frozenset[str],
    resampled: bool,
    progress: Callable[[int], None] | None,
) -> Trained:
    started = time.perf_counter()
    alone = DeployedMember(task.at(member.seed), member, signals)
    curve = alone.curve(resampled, progress)
    configuration = member.assembly.configuration
    if alone.refusal is not None and configuration.optimizer not in refusing:
        refusing.add(configuration.optimizer)
        warnings.warn(
            f"A training with {configuration.optimizer!r} counts as diverged, for {alone.refusal.rstrip('.')}; its "
            f"hyperparameters: {dict(configuration.hparams) or 'defaults'}. Further ones are not told of.",
            RuntimeWarning,
            stacklevel=4,
        )
    return Trained(curve, time.perf_counter() - started)


class _Chunk:
    """One chunk of members on one task, sorted by structure."""

    def __init__(self, task: Task, members: list[Member], theta: Theta, plan: Plan, signals: frozenset[str]) -> None:
        self._task = task
        self._examples = _examples(task) if "evidence" in signals else None
        self._recorded = sorted(signals)
        self._members = members
        self._plan = plan
        mode = plan.gradient_mode(task, len(members))
        vmapped = None if plan.looped else plan.graphs.of_task(task)
        idle = 0 if vmapped is None else plan.rows(task, vmapped, len(members), mode) - len(members)
        seeds = [member.seed for member in [*members, *members[-1:] * idle]]
        modules = _modules(task, seeds, separate=plan.looped)
        self._layout = Layout(modules[0], first_inputs(task)) if vmapped is None else vmapped.layout
        rule = members[0].assembly.rule
        params = [dict(module.named_parameters()) for module in modules]
        self._flats = self._layout.stack([dict(rule.start(own, theta)) for own in params] if theta else params)
        self._horizon = torch.tensor(float(task.num_steps))
        self._groups = self._rule_groups(theta)
        self._rates = MemberRates(members, task.num_steps)
        self._base = self._base_rates()
        self._requires = frozenset().union(*(member.assembly.requires for member in members))
        self._batches = Batches(task, seeds)
        self._metric = torch.full((len(members),), torch.nan)
        self._updates: Flats = {}
        self._skipping = Skipping(len(members))
        self._source: GradientSource
        if vmapped is None:
            balances = balances_of(task, members, modules)
            self._source = LoopedGradients(
                task, self._layout, modules, seeds, shared=self._batches.shared, balances=balances
            )
        else:
            constants = Constants.of(modules)
            plain = VmappedGradients(vmapped, constants, shared=self._batches.shared, mode=mode)
            self._source = balanced_if_any(task, members, vmapped, constants, plain, self._batches.shared, mode)

    def curves(self, progress: Callable[[int], None] | None) -> list[Curve]:
        """Train to the end and return each member's curve."""
        validations = set(self._task.validation_steps)
        recorder = CurveRecorder(("train_loss", *self._recorded))
        resampled = self._plan.resampled
        kept = KeptCheckpoints(self._source, self._task.splits, len(self._members)) if resampled else None
        losses: list[Tensor] = []
        for step in range(self._task.num_steps):
            losses.append(self._step(step))
            if step + 1 in validations:
                if progress is not None:
                    progress(len(self._members) * (step + 1 - recorder.last_step))
                self._validate(step + 1, torch.stack(losses).mean(0), recorder, kept)
                losses.clear()
        return recorder.curves(self._task.num_steps, None if kept is None else kept.resampled())

    def _step(self, step: int) -> Tensor:
        grads, losses = self._source.gradients(self._flats, *self._batches.at(step))
        losses = losses[: len(self._members)]
        skipped = self._skipping.rows(grads)
        signals = self._signals(grads)
        before = {key: flat.clone() for key, flat in self._flats.items()} if "agreement" in self._requires else {}
        rates = self._rates.at(step, self._base, losses, signals, skipped)
        number = torch.tensor(float(step))
        for group in self._groups:
            group.step(grads, rates, losses, signals, number, self._horizon, skipped)
        if skipped is not None:
            self._lose_ended()
        self._updates = {key: self._flats[key] - flat for key, flat in before.items()}
        return losses

    def _lose_ended(self) -> None:
        """Members that have ended have diverged: their weights become NaN, and they go on from there."""
        for flat in self._flats.values():
            flat[: len(self._members)][self._skipping.ended] = torch.nan

    def _validate(self, step: int, train_loss: Tensor, recorder: CurveRecorder, kept: KeptCheckpoints | None) -> None:
        flats = {key: flat.clone() for key, flat in self._flats.items()}
        for group in self._groups:
            group.write_evaluation_params(flats)
        # Some metrics, such as accuracy, are finite numbers even for weights that are lost.
        lost = are_lost(flats, len(self._members)) | self._skipping.ended
        validation, test = (
            torch.where(lost, torch.nan, value[: len(self._members)])
            for value in self._source.evaluate(flats, self._task.splits)
        )
        self._metric = validation
        self._rates.validated(step, validation)
        signals = {name: self._recorded_signal(name) for name in self._recorded}
        recorder.add(step, validation, test, train_loss=train_loss, **signals)
        if kept is not None:
            kept.validated(flats, validation)

    def _recorded_signal(self, signal: str) -> Tensor:
        """A signal of all members for their stoppers; NaN where a rule has none."""
        if signal == "evidence":
            assert self._examples is not None
            return self._source.evidence(self._flats, self._examples)[: len(self._members)]
        return torch.cat([group.wrapper_signal(signal) for group in self._groups])

    def _signals(self, grads: Flats) -> Tensors:
        signals: Tensors = {}
        if "metric" in self._requires:
            signals["metric"] = self._metric
        if "gradient_norm" in self._requires:
            signals["gradient_norm"] = norms(grads, len(self._members))
        if "agreement" in self._requires:
            signals["agreement"] = self._agreement(grads)
        return signals

    def _agreement(self, grads: Flats) -> Tensor:
        count = len(self._members)
        if not self._updates:
            return torch.zeros(count)
        gradients = [grads[key][:count] for key in self._updates]
        return agreement(gradients, [update[:count] for update in self._updates.values()], start=1)

    def _rule_groups(self, theta: Theta) -> list[RuleGroup]:
        groups: list[RuleGroup] = []
        begin = 0
        for _, members in groupby(self._members, key=lambda member: member.assembly.structure):
            same = list(members)
            check_taken(same[0].assembly, self._layout, self._task.name)
            mode = self._plan.rule_mode(self._task, same[0].assembly.optimizer.name)
            rules = self._plan.graphs.rules
            groups.append(RuleGroup(same, self._layout, self._flats, begin, self._horizon, theta, mode, rules))
            begin += len(same)
        return groups

    def _base_rates(self) -> Tensor:
        parts = []
        for group in self._groups:
            base = group.base_rates
            parts.append(torch.ones(group.rows.stop - group.rows.start) if base is None else base)
        return torch.cat(parts)


def _examples(task: Task) -> Split:
    """The training examples from which evidence is taken, the same ones for all members and validations."""
    train = task.splits.train
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:EVIDENCE_EXAMPLES]
    return Split(train.inputs[chosen], train.targets[chosen])


def _modules(task: Task, seeds: Sequence[int], *, separate: bool) -> list[nn.Module]:
    """A module for each seed; members of one seed share it unless they are to be separate."""
    if separate:
        return [task.build(seed) for seed in seeds]
    built = {seed: task.build(seed) for seed in sorted(set(seeds))}
    return [built[seed] for seed in seeds]


def _chunk_size(layout: Layout) -> int:
    return max(1, min(CHUNK, COORDINATES // max(1, layout.num_coordinates)))
