"""What a study will train, predicted from its arguments, and how long that takes at the pace of short probes.

The counts decide which graphs are compiled. They follow from the arguments of the study's first call, which the ledger
keeps: a study that is continued, with however many candidates and workers, trains as it was begun, and so gives the
same numbers. Evaluations that the ledger holds already, such as references, are not counted on.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from metaopt.contracts import AnyTask, BlackBoxTask, Corpus, FewShotTask, Task
from metaopt.inner import Workload, filling
from metaopt.tuning.judging.comparison import Contender
from metaopt.tuning.judging.held_out import Fold
from metaopt.tuning.judging.references import reference_evaluations
from metaopt.tuning.laws.sweep import OCTAVES, ladder, sweep_trainings
from metaopt.tuning.running.dear_tasks import DearTasks, dear_tasks
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.pace import Pace, candidates_apart
from metaopt.tuning.running.progress import Phase, duration
from metaopt.tuning.search.final_rounds import ROUNDS, num_finalists
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.racing import SHARE, ends_heat, race_order, rungs_of, with_budgets
from metaopt.tuning.search.study import BATCH, batch_of
from metaopt.tuning.seeds import BLACK_BOX_SEEDS, final_seeds, report_seeds

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
        workers: processes that train.
        speedup: how many times as fast as one of them they are together, as busy as the machine is.
    """

    references: Phase
    searches: Mapping[str, Phase]
    comparisons: Mapping[str, Phase]
    stored: int
    black_boxes: int
    few_shots: int = 0
    dear: DearTasks | None = None
    workers: int = 1
    speedup: float = 1.0

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
        seconds = sum(phase.seconds for phase in self.phases.values()) / self.speedup
        if not self.black_boxes and not self.few_shots:
            return f"about {duration(seconds)}"
        unknown = f"however long the {'black boxes' if self.black_boxes else 'meta-trainings'} take"
        return f"about {duration(seconds)} and {unknown}" if seconds else unknown


def _runs(phases: Iterable[Phase]) -> int:
    return sum(phase.runs for phase in phases)


def forecast(
    pace: Pace,
    corpus: Corpus,
    main: Sequence[AnyTask],
    folds: Sequence[Fold],
    n_trials: int,
    contenders: Sequence[Contender],
    repeats: int = BLACK_BOX_SEEDS,
    space: JointSpace | None = None,
    workers: int = 1,
) -> Forecast:
    """Predict the cost of a study, its folds and its comparisons; references that came with a corpus cost nothing."""
    evaluator, batch_size = pace.evaluator, BATCH if space is None else batch_of(space)
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
            race_order(with_budgets(tasks)), n_trials, baselines=len(contenders), repeats=repeats, batch_size=batch_size
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

    climbed = ladder(main) if space is not None and space.has_laws else []
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
        workers=workers,
        speedup=pace.machine.speed(_at_once(main, workers, evaluator)) / pace.machine.speed(),
    )


def _at_once(tasks: Sequence[AnyTask], workers: int, evaluator: Evaluator) -> int:
    """Processes that are busy: what trains side by side is in one of them; black boxes and few-shot tasks are alone."""
    if not all(isinstance(task, Task) for task in tasks):
        return workers
    first = tasks[: rungs_of(tasks)[0]]
    return min(workers, sum(len(candidates_apart(task, evaluator)) for task in first))


def populations(
    tasks: Sequence[AnyTask],
    n_trials: int,
    *,
    baselines: int = 0,
    repeats: int = BLACK_BOX_SEEDS,
    batch_size: int = BATCH,
) -> Iterator[tuple[int | None, AnyTask, int]]:
    """Batch, task and members of every population of a study at most; later rungs and finalists belong to no batch."""
    sizes = rungs_of(tasks)
    ran = dict.fromkeys(sizes, 0)
    heat, last = 0, -(-n_trials // batch_size) - 1
    for batch in range(last + 1):
        members = min(batch_size, n_trials - batch * batch_size)
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
