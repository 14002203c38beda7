"""Runs what the ledger does not hold yet, one task at a time, and stores it."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.contracts import AnyTask, BlackBoxTask, Curve, Task
from metaopt.inner import Member, loop_reason, train
from metaopt.registry import Registry
from metaopt.tuning.black_box import run_black_box
from metaopt.tuning.ledger import Evaluation, EvaluationKey, Ledger

#: `(configuration key, task name, seed) → curve`.
Curves = dict[tuple[str, str, int], Curve]


@dataclass
class Spent:
    """Compute spent, in evaluations and seconds."""

    evaluations: int = 0
    seconds: float = 0.0
    reused: int = 0


@dataclass
class Evaluator:
    """Evaluates configurations on tasks, through the ledger.

    Attributes:
        ledger: where finished evaluations are.
        registry: where plugins are.
        announce: told in one line which task is being trained, and why a task goes to the loop.
        spent: what this process has computed and what it found in the ledger.
    """

    ledger: Ledger
    registry: Registry
    announce: Callable[[str], None] = lambda line: None
    spent: Spent = field(default_factory=Spent)

    @cached_property
    def _reasons(self) -> dict[str, str | None]:
        return {}

    def curves(self, configurations: Sequence[Configuration], tasks: Sequence[AnyTask], seeds: Sequence[int]) -> Curves:
        """Curves of all combinations; what the ledger lacks is run, all missing runs of a task side by side."""
        assemblies = {one.key: assemble(one, self.registry) for one in configurations}
        wanted = [(key, seed) for seed in seeds for key in assemblies]
        found: Curves = {}
        for task in tasks:
            known = self._known(task, assemblies, wanted)
            missing = [pair for pair in wanted if pair not in known]
            if missing:
                known.update(self._run(task, [(assemblies[key], seed) for key, seed in missing]))
            found.update({(key, task.name, seed): known[key, seed] for key, seed in wanted})
        return found

    def evaluations(self, tasks: Sequence[AnyTask]) -> list[Evaluation]:
        """All that the ledger holds for these tasks."""
        return self.ledger.evaluations(task.fingerprint for task in tasks)

    def loop_reason(self, task: AnyTask) -> str | None:
        """Why a task goes to the loop, announced the first time it is asked."""
        if task.name not in self._reasons:
            reason = loop_reason(task) if isinstance(task, Task) else "it is a black box"
            self._reasons[task.name] = reason
            if reason is not None:
                self.announce(f"{task.name} runs in the plain loop: {reason}.")
        return self._reasons[task.name]

    def _known(
        self, task: AnyTask, assemblies: dict[str, Assembly], wanted: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], Curve]:
        stored = self.ledger.find(task.fingerprint, {seed for _, seed in wanted})
        keys = {pair: evaluation_key(assemblies[pair[0]], task, pair[1]) for pair in wanted}
        known = {pair: stored[key].curve for pair, key in keys.items() if key in stored}
        self.spent.reused += len(known)
        return known

    def _run(self, task: AnyTask, runs: Sequence[tuple[Assembly, int]]) -> dict[tuple[str, int], Curve]:
        if isinstance(task, BlackBoxTask):
            results = [self._run_black_box(task, seed, assembly) for assembly, seed in runs]
        else:
            engine = "population" if self.loop_reason(task) is None else "loop"
            members = [Member(assembly, seed) for assembly, seed in runs]
            results = [(one.curve, one.seconds) for one in train(task, members, engine=engine)]
        finished = [
            Evaluation(
                key=evaluation_key(assembly, task, seed),
                task=task.name,
                family=task.family,
                configuration=assembly.configuration,
                curve=curve,
                seconds=seconds,
            )
            for (assembly, seed), (curve, seconds) in zip(runs, results, strict=True)
        ]
        self.ledger.add(finished)
        self.spent.evaluations += len(finished)
        self.spent.seconds += sum(one.seconds for one in finished)
        return {(one.key.configuration_key, one.key.seed): one.curve for one in finished}

    def _run_black_box(self, task: BlackBoxTask, seed: int, assembly: Assembly) -> tuple[Curve, float]:
        self.loop_reason(task)
        started = time.perf_counter()
        curve = run_black_box(task, assembly.configuration, seed)
        return curve, time.perf_counter() - started


def evaluation_key(assembly: Assembly, task: AnyTask, seed: int) -> EvaluationKey:
    """What identifies the run of a configuration on a task."""
    return EvaluationKey(assembly.configuration.key, plugin_versions(assembly), task.fingerprint, seed)


def plugin_versions(assembly: Assembly) -> str:
    """Names and versions of the plugins of an assembly: results of another version are other results."""
    specs = (assembly.optimizer, *assembly.wrappers, assembly.controller)
    return ",".join(f"{spec.name}@{spec.version}" for spec in specs)


def probe_task(task: Task, num_steps: int) -> Task:
    """The same task cut to a few steps, for measuring what a step costs."""
    return dataclasses.replace(task, num_steps=num_steps, num_validations=1)
