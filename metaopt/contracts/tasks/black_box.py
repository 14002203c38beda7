"""A training job seen from outside."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from metaopt.contracts.fingerprints import Part, digest, identity
from metaopt.contracts.stopper import Mode
from metaopt.contracts.tasks.model_task import NamedTask
from metaopt.contracts.tasks.own_space import check_train, checked_space
from metaopt.errors import known_keywords, listed
from metaopt.space import Space, defaults


@known_keywords()
@dataclass(frozen=True, eq=False, repr=False)
class BlackBoxTask(NamedTask):
    """A training job seen from outside: how a Lightning or transformers job is tuned.

    Attributes:
        name: unique within a corpus.
        family: tasks of one family resemble each other.
        train: `(recipe, seed) -> iterator of (step, value)`: trains with the recipe and yields its validations. It may
            yield `(step, value, test_value)` to have test values reported. With a `space`, it is called with each of
            its hyperparameters by name, too: `train(recipe, seed, dropout=0.1)`.
        mode: `"min"` if the value is better when lower, `"max"` if when higher.
        num_steps: planned number of steps, or None to take the last step yielded.
        version: stands in the fingerprint for code whose source cannot be read; see `Task`. Raise it too when
            something changes that `train` finds outside its code: files, servers, versions of libraries.
        resources: see `Task`.
        space: hyperparameters of the task's own, which are searched beside the optimizer's; see `Task`. One that a
            condition leaves without effect has its default.
    """

    name: str
    family: str
    train: Callable[..., Iterator[tuple[float, ...]]]
    mode: Mode = "min"
    num_steps: int | None = None
    version: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    space: Space = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_names()
        object.__setattr__(self, "space", checked_space(self.name, self.space))
        check_train(self.name, self.space, self.train)

    def _sizes(self) -> dict[str, Any]:
        return {"num_steps": self.num_steps, **({"space": listed(self.space)} if self.space else {})}

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of names, budget, version and the code of `train`, which counts as a loss of a `Task` does.

        Raises:
            InputError: some of that code has no source that can be read, and there is no `version`.
        """
        budget = (self.name, self.family, self.mode, self.num_steps, self.version)
        own = [ascii(sorted(defaults(self.space).items()))] if self.space else []
        return digest(ascii(budget), identity(self.train, Part("train", self.name, self.version)), *own)
