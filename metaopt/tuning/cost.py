"""What a study is about to cost, predicted from counts and a short probe of each task."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.configuration import assemble
from metaopt.contracts import AnyTask, Corpus, Task
from metaopt.tuning.comparison import REPORT_SEEDS
from metaopt.tuning.evaluator import Evaluator, Run, probe_task, run_task
from metaopt.tuning.held_out import Fold
from metaopt.tuning.racing import REDUCTION, rungs
from metaopt.tuning.references import DEFAULT_BASELINE, REFERENCE_SEEDS, reference_evaluations
from metaopt.tuning.search import FINAL_SEEDS, FINALISTS
from metaopt.tuning.study import BATCH

#: Two lengths of a probe: their difference is the cost of steps, what is left that of a validation.
_PROBE_STEPS = (2, 8)
#: A race's update of many small groups of members costs more than the probe's one group.
_OVERHEAD = 1.6


@dataclass(frozen=True)
class Forecast:
    """Training runs ahead, at most, and how long they may take.

    Attributes:
        searches: runs of the main study and of those of the folds.
        reference_runs: runs of the references and their pools.
        comparison_runs: runs of the comparisons.
        stored: evaluations of these tasks that the ledger holds already, of this or another study.
        black_boxes: black-box tasks, of which nobody knows beforehand how long they take.
        seconds: predicted wall-clock time of the other tasks if nothing could be reused.
    """

    searches: int
    reference_runs: int
    comparison_runs: int
    stored: int
    black_boxes: int
    seconds: float

    @property
    def total(self) -> int:
        """Training runs in all."""
        return self.searches + self.reference_runs + self.comparison_runs

    def lines(self) -> list[str]:
        """What to tell the user before the start."""
        stored = (
            f" The ledger holds {self.stored:,} evaluations of these tasks, which are reused." if self.stored else ""
        )
        counts = (
            f"{self.searches:,} of candidates, {self.reference_runs:,} of references, {self.comparison_runs:,} of "
            "comparisons"
        )
        return [f"About to run at most {self.total:,} trainings: {counts}; {self._time()}.{stored}"]

    def _time(self) -> str:
        if not self.black_boxes:
            return f"about {_duration(self.seconds)}"
        unknown = "however long the black boxes take"
        return f"about {_duration(self.seconds)} and {unknown}" if self.seconds else unknown


def forecast(
    evaluator: Evaluator,
    corpus: Corpus,
    main: Sequence[AnyTask],
    folds: Sequence[Fold],
    n_trials: int,
    contenders: int,
) -> Forecast:
    """Predict the cost of a study, its folds and its comparisons."""
    per_task = {task.name: _population_seconds(task, evaluator) for task in corpus}
    studies = [main, *(fold.tuning for fold in folds)]
    populations = sum(_race_seconds(tasks, n_trials, per_task) for tasks in studies)
    # Held out are the tasks outside the main study, or each fold's own.
    compared = len(corpus) + sum(len(fold.held_out) for fold in folds)
    extra = sum(per_task.values()) * (len(REFERENCE_SEEDS) + 2 * len(REPORT_SEEDS))
    return Forecast(
        searches=sum(_race_runs(len(tasks), n_trials) for tasks in studies),
        reference_runs=reference_evaluations(corpus.tasks),
        comparison_runs=compared * contenders * len(REPORT_SEEDS),
        stored=len(evaluator.evaluations(corpus.tasks)),
        black_boxes=sum(not isinstance(task, Task) for task in corpus),
        seconds=populations + extra,
    )


def _race_runs(num_tasks: int, n_trials: int) -> int:
    """Runs of all batches and of the finalists."""
    runs, left, complete = 0, n_trials, 0
    while left > 0:
        running, done = min(BATCH, left), 0
        left -= running
        for size in rungs(num_tasks):
            if done:
                running = max(1, -(-running // REDUCTION))
            runs += running * (size - done)
            done = size
        complete += running
    return runs + min(FINALISTS, complete) * len(FINAL_SEEDS) * num_tasks


def _race_seconds(tasks: Sequence[AnyTask], n_trials: int, per_task: dict[str, float]) -> float:
    batches = -(-n_trials // BATCH)
    return (batches + len(FINAL_SEEDS)) * sum(per_task[task.name] for task in tasks) * _OVERHEAD


def _population_seconds(task: AnyTask, evaluator: Evaluator) -> float:
    """Wall-clock time of one batch of candidates on a task, from a few steps of it; 0 for black boxes."""
    if not isinstance(task, Task):
        return 0.0
    engine = "population" if evaluator.loop_reason(task) is None else "loop"
    count = BATCH if engine == "population" else 2
    runs = [(assemble(DEFAULT_BASELINE, evaluator.registry), 0)] * count
    few, many = (_timed(probe_task(task, steps), runs, engine) for steps in _PROBE_STEPS)
    per_step = max(many - few, 0.0) / (_PROBE_STEPS[1] - _PROBE_STEPS[0])
    per_validation = max(few - _PROBE_STEPS[0] * per_step, 0.0)
    whole = task.num_steps * per_step + len(task.validation_steps) * per_validation
    return whole * BATCH / count


def _timed(task: Task, runs: Sequence[Run], engine: str) -> float:
    started = time.perf_counter()
    run_task(task, runs, engine)
    return time.perf_counter() - started


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
