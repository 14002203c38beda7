"""Racing over growing blocks of tasks: only candidates that rank among the best so far go on to the next block."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from metaopt.contracts import AnyTask, FewShotTask, Task, num_trained

#: Tasks that a candidate has run on when it is judged; then all tasks.
BLOCKS = (5, 10, 16)
#: Of all candidates that were judged on as many tasks, this share goes on.
SHARE = 0.3
#: Batches that go on together; the first batch alone, so that there is a recipe early.
HEAT = 2

#: Shares of a task's iterations after which candidates are judged: a race over budgets instead of over tasks.
BUDGETS = (1 / 9, 1 / 3, 1.0)
#: Fewer iterations than this are not divided.
LEAST_ITERATIONS = 18

_Task = TypeVar("_Task")


@dataclass
class Standing:
    """How far a candidate is.

    Attributes:
        number: of its proposal.
        scores: by task.
        rungs: objective by number of tasks done.
        complete: whether it ran on all tasks.
    """

    number: int
    scores: dict[str, float] = field(default_factory=dict)
    rungs: dict[int, float] = field(default_factory=dict)
    complete: bool = False


#: `(running candidates, tasks done, objectives of earlier candidates after as many tasks) -> candidates that go on`.
Survivors = Callable[[Sequence[Standing], int, Sequence[float]], list[Standing]]


def rungs(num_tasks: int) -> list[int]:
    """Numbers of tasks at which a race judges its candidates; the last one is all of them."""
    return [size for size in BLOCKS if size < num_tasks] + [num_tasks]


def rungs_of(tasks: Sequence[AnyTask]) -> list[int]:
    """Numbers of these tasks at which a race judges; few-shot tasks come in thirds, by budget: see `with_budgets`."""
    if not all(isinstance(task, FewShotTask) for task in tasks):
        return rungs(len(tasks))
    return sorted({math.ceil(len(tasks) * part / 3) for part in (1, 2, 3)})


def ends_heat(batch: int) -> bool:
    """Whether this batch, counted from 0, is the last one of its heat."""
    return batch % HEAT == 0


def best_share(running: Sequence[Standing], size: int, earlier: Sequence[float]) -> list[Standing]:
    """Candidates among the best share of all that were judged on `size` tasks; ties go to the earlier one.

    The very best goes on if none ran before: a race has a winner.

    Args:
        running: the heat.
        size: tasks done.
        earlier: objectives at this rung of all candidates of earlier heats.
    """
    before = sorted(earlier)
    places = math.ceil(SHARE * (len(before) + len(running)))
    ranked = sorted(running, key=lambda standing: (-standing.rungs[size], standing.number))
    return [
        standing
        for position, standing in enumerate(ranked)
        if position + len(before) - bisect_left(before, standing.rungs[size]) < places
    ]


def race(
    heat: Sequence[Standing],
    earlier: Sequence[Standing],
    tasks: Sequence[_Task],
    judge: Callable[[Sequence[Standing], Sequence[_Task]], None],
    *,
    sizes: Sequence[int] | None = None,
    survivors: Survivors = best_share,
) -> None:
    """Take a heat from rung to rung until it is dropped or has run on all tasks.

    Args:
        heat: candidates; what they have run on already is not run again.
        earlier: candidates of earlier heats.
        tasks: in the order of the race.
        judge: runs candidates on some more tasks and notes their scores and their objective.
        sizes: numbers of tasks at the rungs; those of `rungs` by default.
        survivors: chooses the candidates that go on.
    """
    running, done = list(heat), 0
    for size in sizes or rungs(len(tasks)):
        late = [standing for standing in running if size not in standing.rungs]
        if late:
            judge(late, tasks[done:size])
        done = size
        if size < len(tasks):
            running = survivors(running, size, [standing.rungs[size] for standing in earlier if size in standing.rungs])
    for standing in running:
        standing.complete = True


def race_order(tasks: Sequence[AnyTask]) -> list[AnyTask]:
    """Tasks in the order of the race: the cheapest of each family first, then the second of each, and so on.

    Few-shot tasks go by their budgets alone.
    """
    if all(isinstance(task, FewShotTask) for task in tasks):
        return sorted(tasks, key=lambda task: (predicted_cost(task), task.name))
    families: dict[str, list[AnyTask]] = {}
    for task in sorted(tasks, key=lambda task: (predicted_cost(task), task.name)):
        families.setdefault(task.family, []).append(task)
    depth = max(len(members) for members in families.values())
    return [members[level] for level in range(depth) for members in families.values() if level < len(members)]


def with_budgets(tasks: Sequence[AnyTask]) -> tuple[AnyTask, ...]:
    """Few-shot tasks at a ninth, a third and all of their iterations; others as they are."""
    return tuple(part for task in tasks for part in (_budgets(task) if isinstance(task, FewShotTask) else [task]))


def predicted_cost(task: AnyTask) -> float:
    """Relative cost of a run: examples × trained parameters × steps; black-box tasks count as dearer than any other.

    That of few-shot tasks is their iterations alone: a race takes all of them at one budget before the next.
    """
    if isinstance(task, FewShotTask):
        return float(task.num_iterations)
    if not isinstance(task, Task):
        return math.inf
    return float(task.num_steps * task.batch_size * max(num_trained(task.build(0)), 1))


def _budgets(task: FewShotTask) -> list[FewShotTask]:
    if task.num_iterations < LEAST_ITERATIONS:
        return [task]
    shorter = [
        replace(
            task,
            name=f"{task.name} ({round(share * task.num_iterations):,} iterations)",
            num_iterations=round(share * task.num_iterations),
        )
        for share in BUDGETS[:-1]
    ]
    return [*shorter, task]
