"""Racing over growing blocks of tasks: the top third of a batch goes on, the others stop there."""

import math
from collections.abc import Sequence

from metaopt.contracts import AnyTask, Task

#: Tasks that a candidate has run on when it is judged; then all tasks.
BLOCKS = (5, 10, 16)
#: Of each batch, one in this many goes on.
REDUCTION = 3


def rungs(num_tasks: int) -> list[int]:
    """Numbers of tasks at which a race judges its candidates; the last one is all of them."""
    return [size for size in BLOCKS if size < num_tasks] + [num_tasks]


def survivors(objectives: Sequence[float]) -> list[int]:
    """Positions of the top third, best first; ties go to the earlier position, and at least one goes on."""
    count = max(1, math.ceil(len(objectives) / REDUCTION))
    return sorted(range(len(objectives)), key=lambda position: (-objectives[position], position))[:count]


def race_order(tasks: Sequence[AnyTask]) -> list[AnyTask]:
    """Tasks in the order of the race: the cheapest of each family first, then the second of each, and so on."""
    families: dict[str, list[AnyTask]] = {}
    for task in sorted(tasks, key=lambda task: (predicted_cost(task), task.name)):
        families.setdefault(task.family, []).append(task)
    depth = max(len(members) for members in families.values())
    return [members[level] for level in range(depth) for members in families.values() if level < len(members)]


def predicted_cost(task: AnyTask) -> float:
    """Relative cost of a run: examples × parameters × steps; black-box tasks count as dearer than any other."""
    if not isinstance(task, Task):
        return math.inf
    parameters = sum(parameter.numel() for parameter in task.build(0).parameters())
    return float(task.num_steps * task.batch_size * max(parameters, 1))
