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
        """Curves of all combinations, run where the ledger has none."""
        assemblies = {one.key: assemble(one, self.registry) for one in configurations}
        found: Curves = {}
        for task in tasks:
            for seed in seeds:
                for key, curve in self._on_task(task, seed, assemblies).items():
                    found[key, task.name, seed] = curve
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

    def _on_task(self, task: AnyTask, seed: int, assemblies: dict[str, Assembly]) -> dict[str, Curve]:
        stored = self.ledger.find(task.fingerprint, seed)
        plugins = {key: plugin_versions(assembly) for key, assembly in assemblies.items()}
        known = {key: stored[key, plugins[key]].curve for key in assemblies if (key, plugins[key]) in stored}
        missing = [key for key in assemblies if key not in known]
        self.spent.reused += len(known)
        if missing:
            fresh = self._run(task, seed, [assemblies[key] for key in missing])
            self.ledger.add(fresh)
            self.spent.evaluations += len(fresh)
            self.spent.seconds += sum(one.seconds for one in fresh)
            known.update({one.key.configuration_key: one.curve for one in fresh})
        return known

    def _run(self, task: AnyTask, seed: int, assemblies: list[Assembly]) -> list[Evaluation]:
        if isinstance(task, BlackBoxTask):
            results = [self._run_black_box(task, seed, assembly) for assembly in assemblies]
        else:
            engine = "population" if self.loop_reason(task) is None else "loop"
            members = [Member(assembly, seed) for assembly in assemblies]
            results = [(one.curve, one.seconds) for one in train(task, members, engine=engine)]
        return [
            Evaluation(
                key=EvaluationKey(assembly.configuration.key, plugin_versions(assembly), task.fingerprint, seed),
                task=task.name,
                family=task.family,
                configuration=assembly.configuration,
                curve=curve,
                seconds=seconds,
            )
            for assembly, (curve, seconds) in zip(assemblies, results, strict=True)
        ]

    def _run_black_box(self, task: BlackBoxTask, seed: int, assembly: Assembly) -> tuple[Curve, float]:
        self.loop_reason(task)
        started = time.perf_counter()
        curve = run_black_box(task, assembly.configuration, seed)
        return curve, time.perf_counter() - started


def plugin_versions(assembly: Assembly) -> str:
    """Names and versions of the plugins of an assembly: results of another version are other results."""
    specs = (assembly.optimizer, *assembly.wrappers, assembly.controller)
    return ",".join(f"{spec.name}@{spec.version}" for spec in specs)


def probe_task(task: Task, num_steps: int) -> Task:
    """The same task cut to a few steps, for measuring what a step costs."""
    return dataclasses.replace(task, num_steps=num_steps, num_validations=1)
