"""A corpus: named tasks with families and a fingerprint."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from metaopt.contracts.tasks.black_box import BlackBoxTask
from metaopt.contracts.tasks.few_shot import FewShotTask
from metaopt.contracts.tasks.task import Task
from metaopt.errors import InputError, known_keywords, one_line

AnyTask: TypeAlias = Task | BlackBoxTask | FewShotTask


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class Corpus:
    """Tasks that one recipe shall serve.

    Attributes:
        name: how reports call it.
        tasks: at least one, with distinct names.
        notes: what to know of their data before believing a score, a line each; `tune` and `evaluate` pass it on.
    """

    name: str
    tasks: tuple[AnyTask, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "notes", tuple(self.notes))
        if not self.tasks:
            raise InputError(f"Corpus {self.name!r} has no tasks; give it at least one.")
        names = [task.name for task in self.tasks]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise InputError(f"Corpus {self.name!r} has tasks of the same name: {repeated}; rename them.")

    def __iter__(self) -> Iterator[AnyTask]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    def __repr__(self) -> str:
        return one_line(self, name=self.name, tasks=len(self.tasks), families=len(self.families))

    def __getitem__(self, name: str) -> AnyTask:
        for task in self.tasks:
            if task.name == name:
                return task
        raise InputError(f"Corpus {self.name!r} has no task {name!r}; it has {[task.name for task in self.tasks]}.")

    @property
    def families(self) -> dict[str, tuple[AnyTask, ...]]:
        """Tasks by family, in order of first appearance."""
        families: dict[str, list[AnyTask]] = {}
        for task in self.tasks:
            families.setdefault(task.family, []).append(task)
        return {family: tuple(tasks) for family, tasks in families.items()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (16 hex digits) of the tasks' fingerprints, in any order."""
        parts = sorted(f"{task.name}:{task.fingerprint}" for task in self.tasks)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def subset(self, tasks: Sequence[AnyTask], name: str | None = None) -> "Corpus":
        """A corpus of some of the tasks."""
        return Corpus(name or self.name, tuple(tasks))
