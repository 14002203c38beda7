"""What a comparison on another corpus is about to cost."""

from collections.abc import Mapping, Sequence

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, Task
from metaopt.tuning.judging.comparison import REPORT_SEEDS
from metaopt.tuning.judging.own_trials import BATCH, tpe_evaluations
from metaopt.tuning.judging.references import REFERENCE_SEEDS, adopt_shipped, pool_configurations, reference_evaluations
from metaopt.tuning.judging.scaled import scaled_evaluations
from metaopt.tuning.running.cost import Pace
from metaopt.tuning.running.duration import duration
from metaopt.tuning.running.evaluator import Evaluator, Request, evaluation_key


def evaluation_cost(
    evaluator: Evaluator,
    tasks: Sequence[AnyTask],
    contenders: Sequence[Configuration],
    baseline: Configuration,
    *,
    tuned: int,
    scaled: Mapping[str, Sequence[Task]],
) -> str:
    """One sentence: trainings ahead, at most, and about how long they take."""
    adopt_shipped(evaluator, tasks, baseline)
    pool = [baseline, *pool_configurations(evaluator.registry)]
    parts: dict[str, list[tuple[AnyTask, int]]] = {
        "comparisons": [(task, _lacking(evaluator, Request(task, tuple(contenders), REPORT_SEEDS))) for task in tasks],
        "references": [
            (task, reference_evaluations([task]))
            for task in tasks
            if _lacking(evaluator, Request(task, tuple(pool), REFERENCE_SEEDS[:1]))
        ],
        "TPE trials": [
            (task, BATCH) for task in tasks if isinstance(task, Task) for _ in range(0, tpe_evaluations(tuned), BATCH)
        ],
        "scaled tasks": [(task, scaled_evaluations()) for some in scaled.values() for task in some],
    }
    counts = {name: sum(members for _, members in part) for name, part in parts.items()}
    pace = Pace(evaluator)
    seconds = sum(pace.seconds(task, members) for part in parts.values() for task, members in part if members)
    said = ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count)
    about = f": {said}; about {duration(seconds)}" if said else ""
    return f"About to run at most {sum(counts.values()):,} trainings{about}."


def _lacking(evaluator: Evaluator, request: Request) -> int:
    """Runs of a request that the ledger does not hold."""
    keys = {evaluation_key(assembly, request.task, seed) for assembly, seed in request.runs(evaluator.registry)}
    return len(keys) - len(evaluator.ledger.find(keys))
