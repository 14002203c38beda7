"""A recipe where it was not tuned: other batch sizes, longer runs, wider models, against the baseline."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, Task, num_trained
from metaopt.errors import InputError
from metaopt.tuning.judging.comparison import Comparison, Contender
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.references import Reference, References, final_value
from metaopt.tuning.judging.scores import RatioScale
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.search.racing import race_order
from metaopt.tuning.seeds import REFERENCE_SEEDS, REPORT_SEEDS

#: Scaled tasks that are run at most, the cheapest of each family first: ten times the steps cost ten times the time.
MOST_TASKS = 10
#: Widths that are tried for ten times the parameters, each so many times the last.
_WIDER = 1.05
#: A model in which only one layer grows has so many times the parameters at so many times the width, at worst a little
#: later; one that has not at this multiple of it does not grow.
_WIDEST = 3.0
#: Name of a recipe without its law of rates, which is compared beside it.
UNSCALED = "recipe at its stated rate"


def scaled_tasks(tasks: Sequence[AnyTask], most: int = MOST_TASKS) -> dict[str, list[Task]]:
    """The tasks at ¼ and 4 times the batch size, 10 times the steps and 10 times the parameters.

    Left out is what cannot be had: batches of less than one example or more than there are, models that their task
    cannot widen (`Task.widened`), and black boxes.

    Returns:
        Scaled tasks by what was scaled, at most `most` each.

    Raises:
        InputError: a task's widened model does not grow.
    """
    scaled: dict[str, list[Task]] = {"batch × ¼": [], "batch × 4": [], "steps × 10": [], "parameters × 10": []}
    for task in race_order(tasks):
        if not isinstance(task, Task):
            continue
        quarter, fourfold = task.batch_size // 4, task.batch_size * 4
        if quarter:
            scaled["batch × ¼"].append(_scaled(task, "batch × ¼", batch_size=quarter))
        if fourfold <= len(task.splits.train):
            scaled["batch × 4"].append(_scaled(task, "batch × 4", batch_size=fourfold))
        scaled["steps × 10"].append(_scaled(task, "steps × 10", num_steps=10 * task.num_steps))
        if task.widened is not None:
            scaled["parameters × 10"].append(_widened(task, 10.0))
    return {name: tasks_of_kind[:most] for name, tasks_of_kind in scaled.items() if tasks_of_kind}


def compare_scaled(
    evaluator: Evaluator, scaled: Mapping[str, Sequence[Task]], recipe: Contender, baseline: Configuration
) -> dict[str, Comparison]:
    """The recipe on scaled tasks, its score the log-ratio of the baseline's test value there to its own.

    A recipe with a law of rates is compared with itself at the rate that it states, too.

    The log-ratio takes one reference instead of a pool of trials for each scaled task. Where a metric is better when
    higher, or not positive, it is the relative difference instead; see `RatioScale`.
    """
    contenders = with_unscaled(recipe)
    return {
        name: compare(evaluator, tasks, _references(evaluator, tasks, baseline), contenders, held_out=False)
        for name, tasks in scaled.items()
    }


def with_unscaled(recipe: Contender) -> list[Contender]:
    """The recipe, and where it has a law of rates the same without."""
    plain = recipe.configuration.unscaled
    return [recipe] if plain is recipe.configuration else [recipe, Contender(UNSCALED, plain, recipe.stopper)]


def scaled_evaluations(recipe: Contender) -> int:
    """Trainings that a scaled task costs: of the baseline and of the recipe, with and without its law."""
    return len(REFERENCE_SEEDS) + len(with_unscaled(recipe)) * len(REPORT_SEEDS)


def _references(evaluator: Evaluator, tasks: Sequence[Task], baseline: Configuration) -> References:
    all_curves = evaluator.curves([baseline], tasks, REFERENCE_SEEDS)
    references = {}
    for task in tasks:
        curves = [all_curves[baseline.key, task.name, seed] for seed in REFERENCE_SEEDS]
        finals, tests = [final_value(curve) for curve in curves], [curve.test_at_best() for curve in curves]
        references[task.name] = Reference(RatioScale(float(np.mean(finals)), float(np.mean(tests))), ())
    return References(references, evaluator, baseline)


def _scaled(task: Task, what: str, **changes: object) -> Task:
    # The splits are handed on, so that they are made once.
    return dataclasses.replace(task, name=f"{task.name}, {what}", data=task.splits, redraw=None, **changes)  # type: ignore[arg-type]


def _widened(task: Task, times: float) -> Task:
    """The task with the narrowest model that has so many times the parameters."""
    widened = task.widened
    assert widened is not None
    size, width = _size(task), 1.0
    while width <= _WIDEST * times:
        width *= _WIDER
        wide = _scaled(task, f"parameters × {times:g}", model=partial(widened, width))
        if _size(wide) >= times * size:
            return wide
    raise InputError(
        f"Task {task.name!r}: widened(width) must make a model that grows with the width; at {width:.3g} times the "
        f"width it has {_size(wide):,} parameters, and {times:g} times {size:,} are wanted: mend it, or leave it out."
    )


def _size(task: Task) -> int:
    return num_trained(task.build(0))
