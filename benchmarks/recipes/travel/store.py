"""Outcomes in a file, one JSON line a training, written as they come: a killed command goes on where it was."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

import metaopt
from benchmarks.recipes.travel.task import TravelTask
from benchmarks.recipes.travel.training import Contender, Outcome

#: Task, its fingerprint, contender, its fingerprint, seed.
Key = tuple[str, str, str, str, int]


@dataclass
class Store:
    """Outcomes by key.

    Attributes:
        file: where new ones are appended; None keeps none.
        outcomes: all that were read or added.
    """

    file: Path | None
    outcomes: dict[Key, Outcome] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path | None, others: Iterable[Path] = ()) -> "Store":
        """Read what earlier commands left in `file`, if it is there, and in `others`."""
        store = cls(file)
        for path in [*others, *([file] if file is not None and file.exists() else [])]:
            store.outcomes.update(outcomes_in(path))
        return store

    def add(self, key: Key, outcome: Outcome) -> None:
        self.outcomes[key] = outcome
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        task, fingerprint, contender, identity, seed = key
        row = {"task": task, "task_fingerprint": fingerprint, "contender": contender, "identity": identity}
        row |= {"seed": seed, **asdict(outcome), "metaopt": metaopt.__version__, "torch": torch.__version__}
        # A line begins on its own even where the last one was cut off by a kill.
        begins = "\n" if self.file.exists() and not self.file.read_bytes().endswith(b"\n") else ""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(begins + json.dumps(row, allow_nan=False) + "\n")


def outcomes_in(file: Path) -> dict[Key, Outcome]:
    """Outcomes of a file; a line that was cut off is left."""
    outcomes = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        key = row["task"], row["task_fingerprint"], row["contender"], row["identity"], row["seed"]
        outcomes[key] = Outcome(**{name: row[name] for name in Outcome.__dataclass_fields__})
    return outcomes


def key_of(task: TravelTask, contender: Contender, seed: int) -> Key:
    return task.name, task.fingerprint, contender.name, identity(contender), seed


def identity(contender: Contender) -> str:
    """Changes with whatever a contender trains with: settings, weights, versions of its plugins."""
    document = contender.recipe.to_json()
    parts = [document[name] for name in ("configuration", "stopper", "plugins", "theta_sha256")]
    text = json.dumps([*parts, contender.scale_rate], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
