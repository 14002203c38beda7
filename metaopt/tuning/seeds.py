"""Which seeds a study trains with: those of the race, of the references, of the finals and of what is reported.

None of these shares a seed with another but the references' with the race's and the finals', for they choose nothing
that is handed over; and on black boxes, of which runs are dear, those of the finals are reported.
Where a task has few rows and may be divided anew, a seed is a draw of its rows, too (`metaopt.contracts.tasks.draws`);
else a seed decides weights and batches alone.
"""

import math

from metaopt.contracts import ALL_REDRAWN, REDRAWN, AnyTask, BlackBoxTask, FewShotTask, Task

#: The race's; the same for all candidates, and for the pool of a task's own trials.
RACE_SEED = 0
#: Of both references, so that their difference can be held against the noise.
REFERENCE_SEEDS = (0, 1, 2)
REFERENCE_DRAWS = tuple(range(REDRAWN, REDRAWN + 5))
#: Rounds of the finals: each finalist has run on that many fresh seeds, or draws, after a round.
FINAL_ROUNDS, FINAL_DRAWS = (2, 4), (2, 4)
#: With fewer tasks than this, the finals have as many more draws, but no more than so many.
_FEW_TASKS, _MOST_DRAWS = 4, 8
#: Runs of a black box with each finalist, unless the user says otherwise: nobody knows what one costs.
BLACK_BOX_SEEDS = 3
#: Of what is reported.
REPORT_SEEDS = (101, 102, 103)
REPORT_DRAWS = 8
_REPORT_OFFSET = 101


def reference_seeds(task: AnyTask) -> tuple[int, ...]:
    """Seeds of a task's baseline and long-tuned runs."""
    return REFERENCE_DRAWS if is_redrawn(task) else REFERENCE_SEEDS


def final_seeds(task: AnyTask, stage: int, num_tasks: int, repeats: int = BLACK_BOX_SEEDS) -> tuple[int, ...]:
    """Fresh seeds of a task up to and including a round of the finals.

    Args:
        task: of the study.
        stage: which round, from 0.
        num_tasks: of the study: where they are few, each has to say more.
        repeats: seeds of a black box, in all rounds together.
    """
    if isinstance(task, BlackBoxTask):
        return tuple(range(1, 1 + repeats))
    if isinstance(task, FewShotTask):
        return tuple(range(1, 1 + FINAL_ROUNDS[0]))
    if is_redrawn(task):
        count = FINAL_DRAWS[min(stage, len(FINAL_DRAWS) - 1)]
        more = 1 if num_tasks >= _FEW_TASKS else math.ceil(_FEW_TASKS / num_tasks)
        return tuple(range(REDRAWN, REDRAWN + min(count * more, _MOST_DRAWS)))
    return tuple(range(1, 1 + FINAL_ROUNDS[min(stage, len(FINAL_ROUNDS) - 1)]))


def report_seeds(task: AnyTask, *, held_out: bool, repeats: int = BLACK_BOX_SEEDS) -> tuple[int, ...]:
    """Seeds of what is reported; on held-out tasks all rows are drawn, for nothing was chosen on any of them.

    A black box is not run again: what is reported are its test values in the runs of the finals.
    """
    if isinstance(task, BlackBoxTask):
        return final_seeds(task, 0, 1, repeats)
    if held_out and isinstance(task, Task) and task.redraw is not None:
        count = REPORT_DRAWS if task.is_redrawn else len(REPORT_SEEDS)
        return tuple(range(ALL_REDRAWN + _REPORT_OFFSET, ALL_REDRAWN + _REPORT_OFFSET + count))
    if is_redrawn(task):
        return tuple(range(REDRAWN + _REPORT_OFFSET, REDRAWN + _REPORT_OFFSET + REPORT_DRAWS))
    return REPORT_SEEDS


def is_redrawn(task: AnyTask) -> bool:
    """Whether choices on this task are made over several divisions of its rows."""
    return isinstance(task, Task) and task.is_redrawn


def is_reported(seed: int) -> bool:
    """Whether a seed is of what is reported."""
    return seed % REDRAWN >= _REPORT_OFFSET
