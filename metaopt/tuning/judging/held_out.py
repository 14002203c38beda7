"""Which tasks a search may see and which ones only the comparison does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.contracts import AnyTask, Corpus
from metaopt.errors import InputError


@dataclass(frozen=True)
class Fold:
    """One way to divide a corpus.

    Attributes:
        name: of the study that tunes on `tuning`, appended to the main study's name.
        tuning: tasks that the search sees.
        held_out: tasks that only the comparison sees.
    """

    name: str
    tuning: tuple[AnyTask, ...]
    held_out: tuple[AnyTask, ...]


def folds(corpus: Corpus, count: int) -> list[Fold]:
    """Divide the tasks into `count` parts; each is held out once. Families are spread over the parts.

    Raises:
        InputError: there are fewer tasks than parts, or fewer than two parts.
    """
    if not 2 <= count <= len(corpus):
        raise InputError(
            f"--folds must be between 2 and the number of tasks, {len(corpus)}, in {corpus.name!r}, got {count}."
        )
    generator = np.random.default_rng(0)
    order: list[AnyTask] = []
    for tasks in corpus.families.values():
        order += [tasks[index] for index in generator.permutation(len(tasks))]
    part = {task.name: position % count for position, task in enumerate(order)}
    return [
        Fold(
            name=f"fold{index + 1}of{count}",
            tuning=tuple(task for task in corpus if part[task.name] != index),
            held_out=tuple(task for task in corpus if part[task.name] == index),
        )
        for index in range(count)
    ]


def without_families(corpus: Corpus, families: Sequence[str]) -> Fold:
    """Hold out whole families.

    Raises:
        InputError: a family is unknown, or no task would be left to tune on.
    """
    unknown = sorted(set(families) - set(corpus.families))
    if unknown:
        raise InputError(f"--held-out names unknown families {unknown}; {corpus.name!r} has {sorted(corpus.families)}.")
    tuning = tuple(task for task in corpus if task.family not in families)
    if not tuning:
        raise InputError(f"--held-out leaves no task of {corpus.name!r} to tune on; keep at least one family.")
    held = tuple(task for task in corpus if task.family in families)
    return Fold(f"without-{'-'.join(sorted(families))}", tuning, held)
