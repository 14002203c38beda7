"""How much a study will train, predicted from its arguments alone: what decides which graphs are compiled.

The arguments are those of the study's first call, which the ledger keeps: whoever continues it, with however many
candidates and workers, trains as it was begun, and so gets the same numbers. What the ledger holds already, such as
references, is not counted on.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from metaopt.contracts import AnyTask, Task
from metaopt.inner import Workload, filling
from metaopt.tuning.judging.comparison import REPORT_SEEDS
from metaopt.tuning.judging.held_out import Fold
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.racing import SHARE, ends_heat, race_order, rungs_of
from metaopt.tuning.search.search import FINAL_SEEDS, FINALISTS
from metaopt.tuning.search.study import BATCH


def populations(tasks: Sequence[AnyTask], n_trials: int) -> Iterator[tuple[int | None, AnyTask, int]]:
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
    yield from ((None, task, min(FINALISTS, ran[sizes[-1]]) * len(FINAL_SEEDS)) for task in tasks)


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
    names = frozenset(one.name for one in space.optimizers)
    group_steps = sum(task.num_steps * _grouped(members, rules) for task, members in raced if isinstance(task, Task))
    member_steps = dict.fromkeys((task.fingerprint for task in tasks), 0)
    for task, members in [*raced, *((task, contenders * len(REPORT_SEEDS)) for task in tasks)]:
        if isinstance(task, Task):
            member_steps[task.fingerprint] += filling(members) * task.num_steps
    return {fingerprint: Workload(steps, round(group_steps), names) for fingerprint, steps in member_steps.items()}


def begun_with(arguments: Mapping[str, object] | None, n_trials: int) -> int:
    """Candidates that a study was begun with."""
    found = (arguments or {}).get("n_trials")
    return found if isinstance(found, int) else n_trials


def _grouped(members: int, rules: int) -> float:
    """Probability that a rule has a group, two members at least, among members spread evenly: 1 - P(0) - P(1)."""
    none = (1 - 1 / rules) ** members
    one = members / rules * (1 - 1 / rules) ** max(members - 1, 0)
    return max(1 - none - one, 0.0)
