"""Runs what the ledger does not hold yet and stores it as soon as it is finished."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import TypeAlias

from metaopt.configuration import Assembly, Configuration
from metaopt.contracts import AnyTask, BlackBoxTask, Curve, FewShotTask, Reporter, Scale, Task
from metaopt.inner import LOOP_CHUNK, RECORDABLE, Compile, Graphs, Workload, apart
from metaopt.plugin import Registry
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.protocol import Block, Shared
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey, evaluation_key
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.learned_tasks import Weights, episodes_loop_reason
from metaopt.tuning.running.progress import Tracker
from metaopt.tuning.running.request import Request
from metaopt.tuning.running.trainings import SeededAssembly, run_task
from metaopt.tuning.seeds import RACE_SEED

#: `(configuration key, task name, seed) → curve`.
Curves: TypeAlias = dict[tuple[str, str, int], Curve]


@dataclass
class Spent:
    """What a process has computed, in evaluations and seconds, and what it found in the ledger."""

    evaluations: int = 0
    seconds: float = 0.0
    reused: int = 0


@dataclass
class Evaluator:
    """Evaluates configurations on tasks, through the ledger.

    Attributes:
        ledger: where finished evaluations are; only this process writes to it.
        registry: where plugins are.
        workers: give what is to be trained to an executor; None to train here.
        announce: told in one line why a task goes to the loop, and when a worker is replaced.
        check: called before each task; may raise to end early.
        spent: what was computed and what was reused.
        tracker: told what is trained and what is there.
        compile: which graphs are compiled; see `metaopt.inner.train`.
        ahead: what a whole study will train of each task, by fingerprint, so that `"auto"` decides alike whatever is
            missing at the moment; a task that is not there counts as too little.
        learned: weights that configurations come with, by configuration key.
        predict: seconds that so many runs of a task take side by side; 0 where that is not known.
        signals: those of `metaopt.inner.RECORDABLE` that curves of tasks in the engine have beside `train_loss`.
        graphs: of the populations trained in this process.
        report: told of each evaluation that was trained.
    """

    ledger: Ledger
    registry: Registry
    workers: Dispatcher | None = None
    announce: Callable[[str], None] = lambda line: None
    check: Callable[[], None] = lambda: None
    spent: Spent = field(default_factory=Spent)
    tracker: Tracker = field(default_factory=Tracker)
    compile: Compile = "auto"
    ahead: Mapping[str, Workload] = field(default_factory=dict)
    learned: Mapping[str, Weights] = field(default_factory=dict)
    predict: Callable[[AnyTask, int], float] = lambda task, members: 0.0
    signals: frozenset[str] = frozenset()
    graphs: Graphs = field(default_factory=Graphs)
    report: Reporter = field(default_factory=lambda: Reporter("tune"))
    _reasons: dict[str, str | None] = field(default_factory=dict, init=False)
    _slowest: dict[str, float] = field(default_factory=dict, init=False)
    _listed: list[Evaluation] = field(default_factory=list, init=False)
    _read: dict[str, dict[EvaluationKey, Evaluation]] = field(default_factory=dict, init=False)

    def curves(self, configurations: Sequence[Configuration], tasks: Sequence[AnyTask], seeds: Sequence[int]) -> Curves:
        """Curves of all combinations; see `answer`."""
        return self.answer([Request(task, tuple(configurations), tuple(seeds)) for task in tasks])

    def recording(self, required: frozenset[str]) -> "Evaluator":
        """An evaluator whose curves also have those required signals that the engine records only on demand.

        They are evaluations of their own: what the ledger holds without the signal is run again.
        """
        signals = required & RECORDABLE
        return dataclasses.replace(self, signals=signals) if signals else self

    def answer(self, requests: Sequence[Request]) -> Curves:
        """Curves of all requests; what the ledger lacks is run, all missing runs of a task side by side."""
        curves: Curves = {}
        missing: list[tuple[AnyTask, list[SeededAssembly]]] = []
        made: dict[tuple[str, Scale], Assembly] = {}
        for request in requests:
            task, wanted = request.task, request.runs(self.registry, made)
            known = self._stored(task, wanted)
            self.spent.reused += len(known)
            curves.update({(key, task.name, seed): curve for (key, seed), curve in known.items()})
            lacking = [run for run in wanted if (run[0].configuration.key, run[1]) not in known]
            missing += [(task, part) for part in self.trained_at_once(task, lacking)]
        for finished in self._results(missing):
            for evaluation in self._store([(*missing[position], results) for position, results in finished]):
                curves[evaluation.key.configuration_key, evaluation.task, evaluation.key.seed] = evaluation.curve
        return curves

    def evaluations(self, tasks: Sequence[AnyTask]) -> list[Evaluation]:
        """All that the ledger holds for these tasks, in the order in which they finished."""
        wanted = {task.fingerprint for task in tasks}
        if wanted == set(self._read):
            return self._listed
        return self.ledger.evaluations(wanted)

    def read_all(self, tasks: Sequence[AnyTask]) -> None:
        """Read what the ledger holds for these tasks once and for all: for who looks at a study and adds nothing."""
        self._listed, self._read = self.evaluations(tasks), {task.fingerprint: {} for task in tasks}
        for evaluation in self._listed:
            self._read[evaluation.key.task_fingerprint][evaluation.key] = evaluation

    def loop_reason(self, task: AnyTask) -> str | None:
        """Why a task goes to the loop, announced the first time it is asked."""
        if task.name not in self._reasons:
            reason = _loop_reason(task, self.graphs)
            self._reasons[task.name] = reason
            if isinstance(task, FewShotTask):
                episodes_reason = episodes_loop_reason(task, self.registry)
                if episodes_reason is not None:
                    self.announce(f"{task.name} goes through its episodes in a loop: {episodes_reason}.")
            elif reason is not None:
                self.announce(f"{task.name} runs in the plain loop: {reason}.")
        return self._reasons[task.name]

    def engine_of(self, task: AnyTask) -> str:
        """Which engine trains a task; see `metaopt.inner.train`."""
        return "population" if self.loop_reason(task) is None else "loop"

    def trained_at_once(self, task: AnyTask, runs: list[SeededAssembly]) -> list[list[SeededAssembly]]:
        """The runs in parts that are stored together: what trains at once."""
        if not runs:
            return []
        if isinstance(task, BlackBoxTask | FewShotTask):
            return [[run] for run in runs]
        if any(run[0].configuration.key in self.learned for run in runs):
            return [list(same) for _, same in groupby(runs, key=lambda run: run[0].configuration.key)]
        # What trains at once has one theta, that of its learned part, one model and batch size, and sees the same rows.
        parts = [
            list(same)
            for _, drawn in groupby(runs, key=lambda run: task.draw(run[1]))
            for _, same in groupby(sorted(drawn, key=_trained_with), key=_trained_with)
        ]
        in_population = self.engine_of(task) == "population"
        divided: list[list[SeededAssembly]] = []
        for part in parts:
            sizes = apart(task, len(part), self.graphs) if in_population else _in_chunks(len(part))
            ordered = iter(sorted(part, key=lambda run: run[0].structure) if len(sizes) > 1 else part)
            divided += [list(islice(ordered, size)) for size in sizes]
        return divided

    def close(self) -> None:
        """End the workers and give the ledger's connections back."""
        if self.workers is not None:
            self.workers.close()
        self.ledger.close()

    def _stored(self, task: AnyTask, wanted: Sequence[SeededAssembly]) -> dict[tuple[str, int], Curve]:
        keys = [self._key(assembly, task, seed) for assembly, seed in wanted]
        read = self._read.get(task.fingerprint)
        stored = self.ledger.find(keys) if read is None else {key: read[key] for key in keys if key in read}
        self.tracker.add(stored, trained=False)
        return {(key.configuration_key, key.seed): stored[key].curve for key in keys if key in stored}

    def _results(
        self, parts: Sequence[tuple[AnyTask, list[SeededAssembly]]]
    ) -> Iterator[list[tuple[int, list[tuple[Curve, float]]]]]:
        """Position and results of parts, as they finish; what finished together comes together."""
        if self.workers is None or (len(parts) < 2 and not self.workers.is_elsewhere):
            for position, (task, runs) in enumerate(parts):
                self.check()
                self.tracker.train(task.name)
                yield [(position, run_task(task, runs, *self._run_settings(task, runs), self.graphs))]
            return
        self.check()
        trained = {task.name for task, _ in parts}
        self.tracker.train(f"{len(trained)} tasks" if len(trained) > 1 else min(trained, default=""))
        blocks = [
            Block(
                f"Task {task.name!r}",
                run_task,
                (runs, *self._run_settings(task, runs)),
                self._seconds(task, len(runs)),
                Shared(f"{task.name} {task.fingerprint}", task),
                task.resources,
            )
            for task, runs in parts
        ]
        with closing(self.workers.groups(blocks)) as results:
            for finished in results:
                yield finished
                self.check()

    def _seconds(self, task: AnyTask, members: int) -> float | None:
        """How long so many runs take: as predicted, else as the slowest run so far; None where neither is known."""
        return self.predict(task, members) or members * self._slowest.get(task.name, 0.0) or None

    def _run_settings(
        self, task: AnyTask, runs: Sequence[SeededAssembly]
    ) -> tuple[str, Compile, Workload, Weights | None, frozenset[str], bool]:
        ahead = self.ahead.get(task.fingerprint, Workload(0, 0))
        weights = self.learned.get(runs[0][0].configuration.key)
        # Candidates of a race are too many to keep so much of each; what is decided by has fresh seeds.
        resampled = any(seed != RACE_SEED for _, seed in runs)
        return self.engine_of(task), self.compile, ahead, weights, self.signals, resampled

    def _key(self, assembly: Assembly, task: AnyTask, seed: int) -> EvaluationKey:
        key = evaluation_key(assembly, task, seed)
        if self.signals and isinstance(task, Task):
            key = dataclasses.replace(key, plugins=f"{key.plugins},recording {' '.join(sorted(self.signals))}")
        weights = self.learned.get(key.configuration_key)
        if weights is None:
            return key
        return dataclasses.replace(key, plugins=f"{key.plugins},theta@{weights.fingerprint}")

    def _store(
        self, parts: Sequence[tuple[AnyTask, Sequence[SeededAssembly], Sequence[tuple[Curve, float]]]]
    ) -> list[Evaluation]:
        """Store what has finished, in one transaction: task, runs and their results of each part."""
        finished = [
            Evaluation(
                key=self._key(assembly, task, seed),
                task=task.name,
                family=task.family,
                configuration=assembly.configuration,
                curve=curve,
                seconds=seconds,
            )
            for task, runs, results in parts
            for (assembly, seed), (curve, seconds) in zip(runs, results, strict=True)
        ]
        self.ledger.add(finished)
        for evaluation in finished:
            self._slowest[evaluation.task] = max(evaluation.seconds, self._slowest.get(evaluation.task, 0.0))
        self.spent.evaluations += len(finished)
        self.spent.seconds += sum(evaluation.seconds for evaluation in finished)
        predicted = sum(self.predict(task, len(runs)) for task, runs, _ in parts)
        self.tracker.add([evaluation.key for evaluation in finished], trained=True, predicted=predicted)
        signs = {task.name: task.sign for task, _, _ in parts}
        for number, evaluation in enumerate(finished, start=self.spent.evaluations - len(finished) + 1):
            self.report("evaluation", number, _numbers(evaluation, signs[evaluation.task]), **evaluation.labels)
        return finished


def _in_chunks(members: int) -> list[int]:
    return [min(LOOP_CHUNK, members - begin) for begin in range(0, members, LOOP_CHUNK)]


def _numbers(evaluation: Evaluation, sign: float) -> dict[str, float]:
    """What is reported of an evaluation: the best validation, in the metric's own orientation, and the seconds."""
    best = evaluation.curve.best_index()
    value = math.nan if best is None else sign * float(evaluation.curve.values[best])
    return {"metric": value, "seconds": evaluation.seconds}


def _loop_reason(task: AnyTask, graphs: Graphs) -> str | None:
    if not isinstance(task, Task):
        return "it is a black box"
    return "it has hyperparameters of its own" if task.space else graphs.loop_reason(task)


def _trained_with(run: SeededAssembly) -> str:
    """The learned part of a run and its values of what tasks have of their own."""
    learned = "" if run[0].learned is None else run[0].learned.name
    values = run[0].configuration.values
    return f"{learned} {dict(values)}" if values else learned
