"""How long trainings of a task take: from a short probe of it, in seconds of a processor, and the machine's load."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import AnyTask, Task
from metaopt.inner import Graphs, apart
from metaopt.plugin import OptimizerSpec
from metaopt.tuning.judging.references import DEFAULT_BASELINE
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.learned_tasks import Weights
from metaopt.tuning.running.machine import IDLE, Machine
from metaopt.tuning.running.trainings import SeededAssembly, probe_task, run_task
from metaopt.tuning.search.study import BATCH

#: Steps and validations of four probes. What the first takes longer than the second is the making of graphs; between
#: the second and the third lies the cost of steps, then that of validations.
_PROBES = ((4, 1), (4, 1), (12, 1), (12, 5))
#: Optimizers without a rule that are probed, at most.
_PROBED = 3
#: What one member alone takes of the time of a full batch of members.
_ALONE = 0.3


class Pace:
    """How long trainings take, from a short probe of each task the first time that it is asked for.

    Args:
        evaluator: knows which engine trains a task.
        optimizers: over which members are spread evenly; those without a rule train one member after the other.
        machine: where they train.
    """

    def __init__(self, evaluator: Evaluator, optimizers: Sequence[OptimizerSpec] = (), machine: Machine = IDLE) -> None:
        self.evaluator, self.machine = evaluator, machine
        self._alone = [spec.name for spec in optimizers if spec.rule is None]
        self._share = len(self._alone) / max(len(optimizers), 1)
        self._probed: dict[str, Probed] = {}

    def seconds(self, task: AnyTask, members: float) -> float:
        """Wall-clock time of so many members side by side; 0 for black boxes, whose time cannot be predicted."""
        if task.name not in self._probed:
            self._probed[task.name] = self._probe(task)
        of_task, together = self._probed[task.name], (1 - self._share) * members
        seconds = of_task.batch * (of_task.alone + (1 - of_task.alone) * together / BATCH) if self._share < 1 else 0.0
        return (seconds + self._share * members * of_task.member) / self.machine.speed()

    def training(self, task: AnyTask) -> float:
        """Wall-clock time of one training, as its share of a full batch of candidates."""
        return self.seconds(task, BATCH) / BATCH

    def of_runs(self, task: AnyTask, runs: Sequence[SeededAssembly]) -> float:
        """Wall-clock time of these runs, from a few steps of one part of each kind in which they train.

        Dearer to know than that of so many candidates, and right for recipes whose steps are dearer than theirs; 0 for
        black boxes and few-shot tasks.
        """
        if not isinstance(task, Task):
            return 0.0
        kinds: dict[tuple[tuple[str, ...], ...], list[list[SeededAssembly]]] = {}
        for part in self.evaluator.trained_at_once(task, list(runs)):
            kinds.setdefault(tuple(sorted(assembly.structure for assembly, _ in part)), []).append(part)
        seconds = sum(len(alike) * _part_seconds(task, alike[-1], self.evaluator) for alike in kinds.values())
        return seconds / self.machine.speed()

    def _probe(self, task: AnyTask) -> "Probed":
        parts = candidates_apart(task, self.evaluator)
        return Probed(
            batch=_population_seconds(task, self.evaluator, parts[0]),
            alone=_ALONE if len(parts) == 1 else 0.0,
            member=_member_seconds(task, self.evaluator, self._alone[:_PROBED]),
        )


@dataclass(frozen=True, slots=True)
class Probed:
    """How long trainings of one task take, in seconds of a processor.

    Attributes:
        batch: of a full batch of candidates.
        alone: what one member alone takes, as a share of it.
        member: of one whose optimizer has no rule.
    """

    batch: float
    alone: float
    member: float


def candidates_apart(task: AnyTask, evaluator: Evaluator) -> list[int]:
    """How many of a full batch of candidates train side by side, part by part, on a task in the engine."""
    if not isinstance(task, Task) or evaluator.engine_of(task) == "loop":
        return [BATCH]
    return apart(task, BATCH, evaluator.graphs)


def _population_seconds(task: AnyTask, evaluator: Evaluator, together: int) -> float:
    """Wall-clock time of one batch of candidates on a task, from a few steps of it; 0 for black boxes.

    Args:
        task: what is trained.
        evaluator: knows which engine trains it.
        together: members that train side by side there.
    """
    if not isinstance(task, Task):
        return 0.0
    engine = evaluator.engine_of(task)
    count = together if engine == "population" else 2
    runs = [(assemble(DEFAULT_BASELINE, evaluator.registry), 0)] * count
    return _probed_seconds(task, runs, engine, evaluator.graphs) * BATCH / count


def _member_seconds(task: AnyTask, evaluator: Evaluator, optimizers: Sequence[str]) -> float:
    """Wall-clock time of one member whose optimizer has no rule, the mean over some; 0 where there is none."""
    if not isinstance(task, Task) or not optimizers:
        return 0.0
    alone = [[(assemble(Configuration(name), evaluator.registry), 0)] for name in optimizers]
    return sum(_probed_seconds(task, runs, "loop", evaluator.graphs) for runs in alone) / len(optimizers)


def _part_seconds(task: Task, runs: Sequence[SeededAssembly], evaluator: Evaluator) -> float:
    """Seconds of a processor of runs that train at once."""
    weights = evaluator.learned.get(runs[0][0].configuration.key)
    return _probed_seconds(task, runs, evaluator.engine_of(task), evaluator.graphs, weights)


def _probed_seconds(
    task: Task, runs: Sequence[SeededAssembly], engine: str, graphs: Graphs, weights: Weights | None = None
) -> float:
    probes = []
    for steps, often in _PROBES:
        probe = probe_task(task, steps, graphs, often)
        started = time.process_time()  # others' load is in the machine's share, once
        run_task(probe, runs, engine, weights=weights, graphs=graphs)
        probes.append(time.process_time() - started)
    return extrapolated(probes, task.num_steps, len(task.validation_steps))


def extrapolated(probes: Sequence[float], num_steps: int, num_validations: int) -> float:
    """Seconds of a training, from those of the four probes; at least what the first of them took."""
    first, short, longer, often = probes
    per_step = max(longer - short, 0.0) / (_PROBES[2][0] - _PROBES[1][0])
    per_validation = max(often - longer, 0.0) / (_PROBES[3][1] - _PROBES[2][1])
    return first + num_steps * per_step + num_validations * per_validation
