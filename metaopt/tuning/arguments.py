"""The arguments of a study: checked, and in plain JSON, so that its result can be made again from its ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from metaopt.configuration import Configuration
from metaopt.errors import InputError, StorageError, quoted
from metaopt.inner import Compile
from metaopt.plugin import Registry
from metaopt.recipe import host_named
from metaopt.tuning.judging.references import DEFAULT_BASELINE
from metaopt.tuning.seeds import BLACK_BOX_SEEDS

#: What a recipe is compared with unless the caller says otherwise: each an optimizer, with "+controller", at its
#: defaults.
AGAINST = ("adamw", "adamw+cosine", "schedulefree_adamw", "prodigy")
#: Sequences, or None; kept as tuples.
_SEQUENCES = (
    "optimizers",
    "learners",
    "controllers",
    "wrappers",
    "weightings",
    "surgeries",
    "stoppers",
    "settings",
    "start_from",
    "held_out",
    "against",
    "plugin_files",
)


@dataclass(frozen=True, kw_only=True)
class StudyArguments:
    """Those arguments of `metaopt.tune` that decide what a study does; how it is run (`workers`, `timeout`) is apart.

    Attributes:
        corpus: how to find the tasks again: a name, a folder, `"package.module:attribute"`; None for tasks that were
            made in Python.
        n_trials: candidates to judge.
        seed: of the sampler.
        portfolio: complementary recipes to name.
        optimizers: names of plugins to choose from; None for all that the registry proposes. Likewise `controllers`,
            `wrappers` and `stoppers`.
        learners: names of learners to choose from, on few-shot tasks; None for none.
        weightings: names of plugins to choose from, on tasks that share a trunk; None for all. Likewise `surgeries`.
        settings: `"plugin.hyperparameter=low..high"` or `"=value"`.
        baseline: whose runs score 0.
        start_from: configurations that are judged first.
        held_out: families that only the comparison sees.
        folds: parts of a cross-validation over tasks, or None.
        against: names of contenders.
        seeds: runs of each finalist on a black box.
        compile: see `metaopt.tune`.
        plugin_files: files that plugins were loaded from.
        host: the framework that the recipe shall train in, of `metaopt.recipe.HOSTS`; None for a loop of one's own.

    Raises:
        InputError: a number is out of range, `compile` is no such mode, there is no such host, or tasks are held out in
            two ways at once.
    """

    corpus: str | None = None
    n_trials: int = 100
    seed: int = 0
    portfolio: int = 5
    optimizers: Sequence[str] | None = None
    controllers: Sequence[str] | None = None
    wrappers: Sequence[str] | None = None
    stoppers: Sequence[str] | None = None
    settings: Sequence[str] = ()
    baseline: Configuration = DEFAULT_BASELINE
    start_from: Sequence[Configuration] = ()
    held_out: Sequence[str] = ()
    folds: int | None = None
    against: Sequence[str] = AGAINST
    seeds: int = BLACK_BOX_SEEDS
    compile: Compile = "auto"
    plugin_files: Sequence[str] = ()
    host: str | None = None
    learners: Sequence[str] | None = None
    weightings: Sequence[str] | None = None
    surgeries: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("n_trials", "portfolio", "seeds"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, least=0)
        if self.folds is not None:
            check_count("folds", self.folds, least=None)
        if self.compile not in get_args(Compile):
            raise InputError(f"compile must be auto, on or off, got {quoted(self.compile)}.")
        if self.host is not None:
            host_named(self.host)
        for name in _SEQUENCES:
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))
        if self.held_out and self.folds is not None:
            raise InputError("--held-out and --folds exclude each other; choose one.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as ledgers keep it; without those that earlier versions lack where nobody gave them."""
        later = ("host", "learners", "weightings", "surgeries")
        left_out = {name for name in later if getattr(self, name) is None}
        return {
            **{field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out},
            "baseline": self.baseline.to_json(),
            "start_from": [configuration.to_json() for configuration in self.start_from] or None,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "StudyArguments":
        """Inverse of `to_json`; what an earlier version did not write has its default.

        Raises:
            StorageError: a later version wrote what this one does not know.
        """
        unknown = sorted({*document} - {field.name for field in fields(cls)})
        if unknown:
            raise StorageError(
                f"The study was tuned with {', '.join(unknown)}, which this metaopt does not know; use the metaopt "
                "that made it."
            )
        arguments = dict(document)
        if "baseline" in document:
            arguments["baseline"] = Configuration.from_json(document["baseline"])
        arguments["start_from"] = tuple(map(Configuration.from_json, document.get("start_from") or ()))
        return cls(**arguments)


def check_count(name: str, value: Any, least: int | None = 1) -> None:
    """Raise InputError unless the argument is a whole number, of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} must be a whole number, got {quoted(value)}.")
    if least is not None and value < least:
        raise InputError(f"{name} must be at least {least}, got {value}.")


def plugin_files(registry: Registry) -> tuple[str, ...]:
    """Files that plugins were loaded from one by one."""
    sources = [entry.source for entry in registry]
    return tuple(sorted({str(Path(source.entry_point).resolve()) for source in sources if source.is_file}))
