"""What a study will train, predicted from its arguments, and how long that takes, from a short probe of each task.

The counts decide which graphs are compiled. They follow from the arguments of the study's first call, which the ledger
keeps: a study that is continued, with however many candidates and workers, trains as it was begun, and so gives the
same numbers. Evaluations that the ledger holds already, such as references, are not counted on.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import AnyTask, BlackBoxTask, Corpus, FewShotTask, Task
from metaopt.inner import Graphs, Workload, filling
from metaopt.plugin import OptimizerSpec
from metaopt.tuning.judging.comparison import Contender
from metaopt.tuning.judging.held_out import Fold
from metaopt.tuning.judging.references import DEFAULT_BASELINE, reference_evaluations
from metaopt.tuning.laws.sweep import OCTAVES, ladder, sweep_trainings
from metaopt.tuning.running.dear_tasks import DearTasks, dear_tasks
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.progress import Phase, duration
from metaopt.tuning.running.trainings import SeededAssembly, probe_task, run_task
from metaopt.tuning.search.final_rounds import ROUNDS, num_finalists
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.racing import SHARE, ends_heat, race_order, rungs_of, with_budgets
from metaopt.tuning.search.study import BATCH
from metaopt.tuning.seeds import BLACK_BOX_SEEDS, final_seeds, report_seeds

#: Steps and validations of four probes. What the first takes longer than the second is the making of graphs; between
#: the second and the third lies the cost of steps, then that of validations.
_PROBES = ((4, 1), (4, 1), (12, 1), (12, 5))
#: Optimizers without a rule that are probed, at most.
_PROBED = 3
#: What one member alone takes of the time of a full batch of members.
_ALONE = 0.3


#: Names of a study's phases; searches are named after their fold, the main one is "".
REFERENCES, TUNING_COMPARED, HELD_OUT_COMPARED = "references", "tuning tasks compared", "held-out tasks compared"
SWEPT = "laws of rates"


def fold_compared(fold: Fold) -> str:
    """Name of the phase in which a fold's recipe is compared."""
    return f"{fold.name} compared"


@dataclass(frozen=True)
class Forecast:
    """Training runs ahead, at most, and how long they may take.

    Attributes:
        references: runs of the references and their pools.
        searches: runs of the main study, of those of the folds, and of sweeps of rates, by phase.
        comparisons: runs of the comparisons, by phase.
        stored: evaluations of these tasks that the ledger holds already, of this or another study.
        black_boxes: black-box tasks, whose time cannot be predicted; they count no seconds.
        few_shots: few-shot tasks, whose time cannot be predicted either.
        dear: tasks whose trainings take long, or None.
    """

    references: Phase
    searches: Mapping[str, Phase]
    comparisons: Mapping[str, Phase]
    stored: int
    black_boxes: int
    few_shots: int = 0
    dear: DearTasks | None = None

    @property
    def phases(self) -> dict[str, Phase]:
        """Every part of the run by its name."""
        return {REFERENCES: self.references, **self.searches, **self.comparisons}

    def lines(self) -> list[str]:
        """What to tell the user before the start."""
        searches, compared = (_runs(part.values()) for part in (self.searches, self.comparisons))
        stored = (
            f" The ledger holds {self.stored:,} evaluations of these tasks, which are reused." if self.stored else ""
        )
        counts = f"{searches:,} of candidates, {self.references.runs:,} of references, {compared:,} of comparisons"
        total = _runs(self.phases.values())
        first = f"About to run at most {total:,} trainings: {counts}; {self._time()}.{stored}"
        return [first] if self.dear is None else [first, self.dear.line()]

    def _time(self) -> str:
        seconds = sum(phase.seconds for phase in self.phases.values())
        if not self.black_boxes and not self.few_shots:
            return f"about {duration(seconds)}"
        unknown = f"however long the {'black boxes' if self.black_boxes else 'meta-trainings'} take"
        return f"about {duration(seconds)} and {unknown}" if seconds else unknown


def _runs(phases: Iterable[Phase]) -> int:
    return sum(phase.runs for phase in phases)


def forecast(
    pace: "Pace",
    corpus: Corpus,
    main: Sequence[AnyTask],
    folds: Sequence[Fold],
    n_trials: int,
    contenders: Sequence[Contender],
    repeats: int = BLACK_BOX_SEEDS,
    has_laws: bool = False,
) -> Forecast:
    """Predict the cost of a study, its folds and its comparisons; references that came with a corpus cost nothing."""
    evaluator = pace.evaluator
    of_run: dict[str, float] = defaultdict(float)

    def seconds(task: AnyTask, members: float) -> float:
        taken = pace.seconds(task, members)
        of_run[task.name] += taken
        return taken

    # The first batch of every study proposes the same candidates, which the ledger then holds.
    shared: set[str] = set()

    def search(tasks: Sequence[AnyTask]) -> Phase:
        runs, time_taken = 0, 0.0
        for batch, task, members in populations(
            race_order(with_budgets(tasks)), n_trials, baselines=len(contenders), repeats=repeats
        ):
            runs += members
            if batch != 0 or task.name not in shared:
                time_taken += seconds(task, members)
            if batch == 0:
                shared.add(task.name)
        return Phase(runs, time_taken)

    def comparison(tasks: Sequence[AnyTask], *, held_out: bool) -> Phase:
        members = {
            task: (len(contenders) + 1) * len(report_seeds(task, held_out=held_out, repeats=repeats))
            for task in tasks
            if not isinstance(task, BlackBoxTask) or held_out  # else these are the runs of the finals
        }
        return Phase(sum(members.values()), sum(seconds(task, count) for task, count in members.items()))

    climbed = ladder(main) if has_laws else []
    swept = Phase(sweep_trainings(main), sum(seconds(task, len(OCTAVES) - 1) for task in climbed))
    sweeps = {SWEPT: swept} if climbed else {}
    tuned = {task.name for task in main}
    held_out = [task for task in corpus if task.name not in tuned]
    compared = {TUNING_COMPARED: (main, False), HELD_OUT_COMPARED: (held_out, True)}
    compared.update({fold_compared(fold): (fold.held_out, True) for fold in folds})
    shipped = Counter(key.task_fingerprint for key in evaluator.ledger.shipped(task.fingerprint for task in corpus))
    references = {task: max(reference_evaluations([task]) - shipped[task.fingerprint], 0) for task in corpus}
    of_references = Phase(
        sum(references.values()), sum(seconds(task, runs) for task, runs in references.items() if runs)
    )
    searches = {"": search(main), **{fold.name: search(fold.tuning) for fold in folds}}
    comparisons = {name: comparison(part, held_out=apart) for name, (part, apart) in compared.items()}
    return Forecast(
        references=of_references,
        searches={**searches, **sweeps},
        comparisons=comparisons,
        stored=len(evaluator.evaluations(corpus.tasks)),
        black_boxes=sum(isinstance(task, BlackBoxTask) for task in corpus),
        few_shots=sum(isinstance(task, FewShotTask) for task in corpus),
        dear=dear_tasks(race_order(main), pace.training, of_run),
    )


def populations(
    tasks: Sequence[AnyTask], n_trials: int, *, baselines: int = 0, repeats: int = BLACK_BOX_SEEDS
) -> Iterator[tuple[int | None, AnyTask, int]]:
    """Batch, task and members of every population of a study at most; later rungs and finalists belong to no batch."""
    sizes = rungs_of(tasks)
    ran = dict.fromkeys(sizes, 0)
    heat, last = 0, -(-n_trials // BATCH) - 1
    for batch in range(last + 1):
        members = min(BATCH, n_trials - batch * BATCH)
        heat += members
        yield from ((batch, task, members) for task in tasks[: sizes[0]])
        if not ends_heat(batch) and batch < last:
            continue
        running, heat = heat, 0
        for done, size in pairwise(sizes):
            ran[done] += running
            running = min(running, math.ceil(SHARE * ran[done]))
            yield from ((None, task, running) for task in tasks[done:size])
        ran[sizes[-1]] += running
    finalists = min(num_finalists(tasks), ran[sizes[-1]]) + baselines
    for task in tasks:
        yield None, task, finalists * len(final_seeds(task, ROUNDS - 1, len(tasks), repeats))


def workloads(
    tasks: Sequence[AnyTask], folds: Sequence[Fold], n_trials: int, contenders: int, space: JointSpace
) -> dict[str, Workload]:
    """What is to come for each task, by fingerprint.

    Args:
        tasks: of the whole corpus.
        folds: the main study's tasks and those of the folds.
        n_trials: candidates of each.
        contenders: recipes that are compared at the end.
        space: what may be proposed; candidates are taken to be spread evenly over its rules.
    """
    rules = len(space.optimizers) * (1 + len(space.wrappers))
    raced = [(task, members) for fold in folds for _, task, members in populations(race_order(fold.tuning), n_trials)]
    names = frozenset(spec.name for spec in space.optimizers)
    group_steps = sum(task.num_steps * _grouped(members, rules) for task, members in raced if isinstance(task, Task))
    member_steps = dict.fromkeys((task.fingerprint for task in tasks), 0)
    for task, members in [*raced, *((task, contenders * len(report_seeds(task, held_out=False))) for task in tasks)]:
        if isinstance(task, Task):
            member_steps[task.fingerprint] += filling(members) * task.num_steps
    return {fingerprint: Workload(steps, round(group_steps), names) for fingerprint, steps in member_steps.items()}


def begun_with(arguments: Mapping[str, object] | None, n_trials: int) -> int:
    """Candidates that a study was begun with."""
    count = (arguments or {}).get("n_trials")
    return count if isinstance(count, int) else n_trials


def _grouped(members: int, rules: int) -> float:
    """Probability that a rule has a group, two members at least, among members spread evenly: 1 - P(0) - P(1)."""
    none = (1 - 1 / rules) ** members
    just_one = members / rules * (1 - 1 / rules) ** max(members - 1, 0)
    return max(1 - none - just_one, 0.0)


class Pace:
    """How long trainings take, from a short probe of each task the first time that it is asked for.

    Args:
        evaluator: knows which engine trains a task.
        optimizers: over which members are spread evenly; those without a rule train one member after the other.
    """

    def __init__(self, evaluator: Evaluator, optimizers: Sequence[OptimizerSpec] = ()) -> None:
        self.evaluator = evaluator
        self._alone = [spec.name for spec in optimizers if spec.rule is None]
        self._share = len(self._alone) / max(len(optimizers), 1)
        self._whole: dict[str, float] = {}
        self._single: dict[str, float] = {}

    def seconds(self, task: AnyTask, members: float) -> float:
        """Wall-clock time of so many members side by side; 0 for black boxes, whose time cannot be predicted."""
        if task.name not in self._whole:
            self._whole[task.name] = _population_seconds(task, self.evaluator)
            self._single[task.name] = _member_seconds(task, self.evaluator, self._alone[:_PROBED])
        together = (1 - self._share) * members
        seconds = self._whole[task.name] * (_ALONE + (1 - _ALONE) * together / BATCH) if self._share < 1 else 0.0
        return seconds + self._share * members * self._single[task.name]

    def training(self, task: AnyTask) -> float:
        """Wall-clock time of one training, as its share of a full batch of candidates."""
        return self.seconds(task, BATCH) / BATCH


def _population_seconds(task: AnyTask, evaluator: Evaluator) -> float:
    """Wall-clock time of one batch of candidates on a task, from a few steps of it; 0 for black boxes."""
    if not isinstance(task, Task):
        return 0.0
    engine = "population" if evaluator.loop_reason(task) is None else "loop"
    count = BATCH if engine == "population" else 2
    runs = [(assemble(DEFAULT_BASELINE, evaluator.registry), 0)] * count
    graphs = evaluator.graphs
    probes = [_timed(probe_task(task, steps, graphs, often), runs, engine, graphs) for steps, often in _PROBES]
    return extrapolated(probes, task.num_steps, len(task.validation_steps)) * BATCH / count


def _member_seconds(task: AnyTask, evaluator: Evaluator, optimizers: Sequence[str]) -> float:
    """Wall-clock time of one member whose optimizer has no rule, the mean over some; 0 where there is none."""
    if not isinstance(task, Task) or not optimizers:
        return 0.0
    graphs, seconds = evaluator.graphs, 0.0
    for name in optimizers:
        runs = [(assemble(Configuration(name), evaluator.registry), 0)]
        probes = [_timed(probe_task(task, steps, graphs, often), runs, "loop", graphs) for steps, often in _PROBES]
        seconds += extrapolated(probes, task.num_steps, len(task.validation_steps))
    return seconds / len(optimizers)


def extrapolated(probes: Sequence[float], num_steps: int, num_validations: int) -> float:
    """Seconds of a training, from those of the four probes; at least what the first of them took."""
    first, short, longer, often = probes
    per_step = max(longer - short, 0.0) / (_PROBES[2][0] - _PROBES[1][0])
    per_validation = max(often - longer, 0.0) / (_PROBES[3][1] - _PROBES[2][1])
    return first + num_steps * per_step + num_validations * per_validation


def _timed(task: Task, runs: Sequence[SeededAssembly], engine: str, graphs: Graphs) -> float:
    started = time.perf_counter()
    run_task(task, runs, engine, graphs=graphs)
    return time.perf_counter() - started
