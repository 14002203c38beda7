"""What candidates that were chosen on some tasks reach on the others, over random divisions of the tasks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.protocol import Block, Shared
from metaopt.tuning.judging.scores import Scale, objective
from metaopt.tuning.judging.statistics import Floats
from metaopt.tuning.portfolio import greedy_order

#: Random divisions on which candidates are chosen and judged again, and how many there are at least of each part, so
#: that every task is left out sooner or later.
SPLITS = 200
SPLITS_A_PART = 20
#: Divisions that a worker goes through at once.
BLOCK = 5

#: By candidate: nothing (a configuration, where there is one) and its score by task.
ScoreTable: TypeAlias = Mapping[str, tuple[object, Mapping[str, float]]]


@dataclass(frozen=True)
class Scored:
    """All candidates on all tasks.

    Attributes:
        table: area scores, by candidate and task.
        finals: test scores of each candidate, shape (tasks,).
        scales: of each task, in order.
        families: of each task, in the same order.
    """

    table: ScoreTable
    finals: Mapping[str, Floats]
    scales: Mapping[str, Scale]
    families: Sequence[str]

    def order(self, size: int, left_out: Collection[str] = ()) -> list[str]:
        """At most `size` complementary candidates, chosen without these tasks; the first does best alone."""
        weights = {task: scale.weight for task, scale in self.scales.items() if task not in left_out}
        table: ScoreTable = {
            name: (kept, {task: scores[task] for task in weights}) for name, (kept, scores) in self.table.items()
        }
        first = max(table, key=lambda name: objective(table[name][1], weights))
        return greedy_order(table, first, size)


def held_out_scores(scored: Scored, size: int, parts: int, workers: Dispatcher | None) -> Floats:
    """Final score of the best of the first k candidates on tasks that had no say in their choice, k = 1 … size.

    Args:
        scored: all candidates on all tasks.
        size: how many candidates to choose.
        parts: the tasks are divided into so many, families dealt evenly; one of them is left out.
        workers: give the divisions to an executor; None to go through them here. The scores are the same.

    Returns:
        Shape (divisions, tasks, size), NaN where a task was chosen on.
    """
    generator = np.random.default_rng(0)
    left_out = [_part(scored.families, parts, generator) for _ in range(max(SPLITS, SPLITS_A_PART * parts))]
    scores = np.full((len(left_out), len(scored.families), size), np.nan)
    begins = range(0, len(left_out), BLOCK)
    blocks = [
        Block(f"Divisions from {begin + 1} on", judged, (left_out[begin : begin + BLOCK], size), None, shared)
        for shared in [Shared("scored", scored)]
        for begin in begins
    ]
    results = enumerate(_here(blocks)) if workers is None else workers.results(blocks)
    for position, found in results:
        for row, division in enumerate(found, start=begins[position]):
            scores[row][left_out[row]] = division
    return scores


def judged(scored: Scored, left_out: Sequence[NDArray[np.int64]], size: int) -> list[Floats]:
    """Of each division, the scores on the tasks left out, shape (left out, size)."""
    tasks, scores = list(scored.scales), []
    for rows in left_out:
        chosen = scored.order(size, {tasks[row] for row in rows})
        best = np.maximum.accumulate(np.stack([scored.finals[name][rows] for name in chosen]))
        scores.append(np.pad(best, ((0, size - len(best)), (0, 0)), mode="edge").T)
    return scores


def _here(blocks: Sequence[Block]) -> "list[list[Floats]]":
    calls = [block.call() for block in blocks]
    return [function(*arguments) for function, arguments in calls]


def _part(families: Sequence[str], parts: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """One part of the tasks at random, every so many-th one within each family."""
    shuffled = generator.permutation(len(families))
    dealt = sorted(shuffled, key=lambda index: families[index])
    return np.sort(np.asarray(dealt[int(generator.integers(parts)) :: parts], dtype=np.int64))
