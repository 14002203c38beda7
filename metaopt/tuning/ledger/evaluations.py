"""What a ledger holds: evaluations, the proposals of a study, and what became of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from metaopt.configuration import Assembly, Configuration
from metaopt.contracts import AnyTask, Curve


@dataclass(frozen=True, slots=True)
class EvaluationKey:
    """What identifies an evaluation.

    Attributes:
        configuration_key: `Configuration.key`.
        plugins: names and versions of the plugins it uses.
        task_fingerprint: `Task.fingerprint`.
        seed: of weights and batches.
    """

    configuration_key: str
    plugins: str
    task_fingerprint: str
    seed: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One finished evaluation.

    Attributes:
        key: what identifies it.
        task: the task's name.
        family: the task's family.
        configuration: what was trained.
        curve: its validations, lower is better.
        seconds: wall-clock time it took.
        extras: what else is known of it, in plain JSON.
    """

    key: EvaluationKey
    task: str
    family: str
    configuration: Configuration
    curve: Curve
    seconds: float
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """What it is about, in words."""
        return {"task": self.task, "candidate": self.configuration.title}


class StoredEvaluation(Evaluation):
    """An evaluation that the ledger holds: its curve is made when somebody first asks for it.

    Who reads all evaluations of a study looks at few of the curves, and they are most of what there is to read. It is
    made with a function in the place of the curve, which returns it.
    """

    __slots__ = ("_curve",)
    _curve: Curve | Callable[[], Curve]

    @property
    def curve(self) -> Curve:
        """Its validations, lower is better."""
        if not isinstance(self._curve, Curve):
            object.__setattr__(self, "_curve", self._curve())
        assert isinstance(self._curve, Curve)
        return self._curve

    @curve.setter
    def curve(self, curve: Curve | Callable[[], Curve]) -> None:
        object.__setattr__(self, "_curve", curve)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate that the sampler proposed.

    Attributes:
        number: its place in the study, from 0.
        batch: the batch it was proposed in, from 0.
        configuration: the candidate.
        params: the sampler's own parameters.
    """

    number: int
    batch: int
    configuration: Configuration
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RaceOutcome:
    """What became of a proposal.

    Attributes:
        number: the proposal's.
        rungs: objective by number of tasks done, in the order of the race.
        complete: whether it ran on all tasks.
        scores: by task, of those that it ran on.
    """

    number: int
    rungs: Mapping[int, float]
    complete: bool
    scores: Mapping[str, float]

    @property
    def tasks_done(self) -> int:
        """Tasks of the last rung it reached."""
        return max(self.rungs)

    @property
    def objective(self) -> float:
        """Objective at the last rung it reached."""
        return self.rungs[self.tasks_done]


def evaluation_key(assembly: Assembly, task: AnyTask, seed: int) -> EvaluationKey:
    """What identifies the run of a configuration on a task."""
    return EvaluationKey(assembly.configuration.key, plugin_versions(assembly), task.fingerprint, seed)


def plugin_versions(assembly: Assembly) -> str:
    """Names and versions of the plugins of an assembly: results of another version are other results."""
    return ",".join(f"{spec.name}@{spec.version}" for spec in assembly.specs)
