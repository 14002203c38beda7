"""A recipe on another corpus, beside what others would have used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from metaopt.configuration import assemble
from metaopt.contracts import AnyTask, Task, to_stderr
from metaopt.errors import InputError, checked_function, listed
from metaopt.plugin import Registry, current_registry
from metaopt.recipe import POOL_SIZE, Recipe, load_recipe
from metaopt.tasks import Source, load_corpus
from metaopt.tuning.arguments import check_count
from metaopt.tuning.executors.named import LOCAL, dispatcher
from metaopt.tuning.judging.comparison import Comparison, Contender, contender_named
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.own_trials import BATCH, tpe_evaluations, tpe_trials
from metaopt.tuning.judging.references import (
    DEFAULT_BASELINE,
    adopt_shipped,
    check_scored,
    pool_configurations,
    reference_evaluations,
    references,
)
from metaopt.tuning.judging.scaled import compare_scaled, scaled_evaluations, scaled_tasks
from metaopt.tuning.ledger.evaluations import evaluation_key
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.own_values import check_values, without_effect
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.learned_tasks import Weights, check_have_episodes
from metaopt.tuning.running.machine import measured
from metaopt.tuning.running.pace import Pace
from metaopt.tuning.running.progress import Phase, Tracker, duration
from metaopt.tuning.running.request import Request
from metaopt.tuning.running.trainings import SeededAssembly
from metaopt.tuning.seeds import RACE_SEED, report_seeds

#: What is trained, in the order in which a forecast names it.
_PARTS = _COMPARISONS, _REFERENCES, _TRIALS, _SCALED = "comparisons", "references", "TPE trials", "scaled tasks"


@checked_function()
def evaluate(
    recipe: Recipe | str | Path,
    corpus: Source,
    *,
    against: Sequence[str] = ("adamw", "schedulefree_adamw"),
    tuned: int = 0,
    scaled: bool = False,
    storage: str | None = None,
    workers: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
    registry: Registry | None = None,
    announce: Callable[[str], None] = to_stderr,
) -> Comparison:
    """Run a recipe and others on every task of a corpus: same tasks, seeds and budgets, judged on test splits.

    Args:
        recipe: a recipe, or where one is stored.
        corpus: whatever `metaopt.load_corpus` takes.
        against: `"optimizer"`, `"optimizer+controller"` or, on few-shot tasks, `"learner"`, at their defaults.
        tuned: also show the best of this many random trials and of a TPE search of this many on each task itself, at
            most 32.
        scaled: also compare with the baseline at ¼ and 4 times the batch size, 10 times the steps, 10 times the
            parameters, on at most `scaled.MOST_TASKS` tasks each.
        storage: database URL of a ledger to reuse and to write; in memory if left out.
        workers: processes that train; see `metaopt.tune`.
        executor: where they are; see `metaopt.tune`.
        address: of a cluster; see `metaopt.tune`.
        registry: where plugins are; everything installed by default.
        announce: called with one line whenever there is something to say.

    Raises:
        InputError: an argument is not valid, or no reference run of any task stayed finite.
        PluginError: a plugin of the recipe or of the others is unknown.
    """
    check_count("tuned", tuned, least=None)
    if workers is not None:
        check_count("workers", workers)
    if not 0 <= tuned <= POOL_SIZE:
        raise InputError(f"tuned must be between 0 and {POOL_SIZE}, the size of a task's pool of trials, got {tuned}.")
    plugins = current_registry(registry)
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    contenders = [Contender.of(loaded), *(contender_named(name, plugins) for name in against)]
    for contender in contenders:
        assemble(contender.configuration, plugins)
    judged_on = load_corpus(corpus)
    tasks = judged_on.tasks
    check_values([loaded.configuration], tasks, "The recipe")
    if idle := without_effect(loaded.configuration, tasks):
        announce(f"No task here has the recipe's own {listed(idle)}, which change nothing.")
    check_have_episodes([own.name for own in contenders if own.configuration.learner], tasks)
    learned = {loaded.configuration.key: Weights(loaded.theta)} if loaded.theta else {}
    own = loaded.configuration.values
    grown = scaled_tasks([each.with_values(own) for each in tasks if isinstance(each, Task)]) if scaled else {}
    ledger = Ledger("sqlite://" if storage is None else storage)
    tracker = Tracker(announce=announce)
    evaluator = Evaluator(ledger, plugins, announce=announce, learned=learned, tracker=tracker)
    try:
        evaluator.workers = dispatcher(executor, workers, address, announce, ledger.file.path)
        for note in judged_on.notes:
            announce(note)
        announce(_forecast(evaluator, tasks, contenders, tuned=tuned, scaled=grown, processes=workers or 1))
        evaluator.tracker.begin(_REFERENCES)
        scales = references(evaluator, tasks, DEFAULT_BASELINE)
        check_scored(tasks, scales)
        evaluator.tracker.begin(_TRIALS)
        tpe = tpe_trials(evaluator, tasks, tuned) if tuned else {}
        evaluator.tracker.begin(_COMPARISONS)
        comparison = compare(evaluator, tasks, scales, contenders, tuned=tuned, tpe=tpe)
        evaluator.tracker.begin(_SCALED)
        return replace(comparison, scaled=compare_scaled(evaluator, grown, contenders[0], DEFAULT_BASELINE))
    finally:
        evaluator.close()


def _forecast(
    evaluator: Evaluator,
    tasks: Sequence[AnyTask],
    contenders: Sequence[Contender],
    *,
    tuned: int,
    scaled: Mapping[str, Sequence[Task]],
    processes: int,
) -> str:
    """One sentence: trainings ahead, at most, and about how long they take; the evaluator's tracker expects them."""
    adopt_shipped(evaluator, tasks, DEFAULT_BASELINE)
    pace, registry = Pace(evaluator, machine=measured()), evaluator.registry
    configurations = tuple(contender.configuration for contender in contenders)
    compared = [Request(task, configurations, report_seeds(task, held_out=True)) for task in tasks]
    lacking = [(request.task, _lacking(evaluator, request)) for request in compared]
    pool = (DEFAULT_BASELINE, *pool_configurations(registry))
    referred = [task for task in tasks if _lacking(evaluator, Request(task, pool, (RACE_SEED,)))]
    trials = [task for task in tasks if isinstance(task, Task)] * -(-tpe_evaluations(tuned) // BATCH)
    grown = [task for part in scaled.values() for task in part]
    phases = {
        _REFERENCES: _phase(pace, [(task, reference_evaluations([task])) for task in referred]),
        _TRIALS: _phase(pace, [(task, BATCH) for task in trials]),
        _COMPARISONS: Phase(
            sum(len(runs) for _, runs in lacking), sum(pace.of_runs(task, runs) for task, runs in lacking)
        ),
        _SCALED: _phase(pace, [(task, scaled_evaluations(contenders[0])) for task in grown]),
    }
    at_once = min(processes, max(len(tasks), sum(len(evaluator.trained_at_once(*part)) for part in lacking)))
    speedup = pace.machine.speed(at_once) / pace.machine.speed()
    evaluator.tracker.plan(phases, workers=processes, speedup=speedup)
    counts = ", ".join(f"{phases[name].runs:,} of {name}" for name in _PARTS if phases[name].runs)
    seconds = sum(phase.seconds for phase in phases.values()) / speedup
    about = f": {counts}; about {duration(seconds)}" if counts else ""
    return f"About to run at most {sum(phase.runs for phase in phases.values()):,} trainings{about}."


def _phase(pace: Pace, populations: Sequence[tuple[AnyTask, int]]) -> Phase:
    """Trainings of candidates and their like: so many members of a task side by side."""
    runs = sum(members for _, members in populations)
    return Phase(runs, sum(pace.seconds(task, members) for task, members in populations))


def _lacking(evaluator: Evaluator, request: Request) -> list[SeededAssembly]:
    """Runs of a request that the ledger does not hold."""
    runs = {evaluation_key(run[0], request.task, run[1]): run for run in request.runs(evaluator.registry)}
    held = evaluator.ledger.find(runs)
    return [run for key, run in runs.items() if key not in held]
