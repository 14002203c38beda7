"""Tune once on a family of tasks; the result is a recipe, and an honest account of what it bought."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from metaopt import registry as registries
from metaopt.configuration import Configuration, assemble
from metaopt.contracts import AnyTask, Corpus
from metaopt.errors import InputError, StorageError
from metaopt.recipe import Recipe, load_recipe
from metaopt.registry import Registry
from metaopt.tasks import load_corpus
from metaopt.tuning.arguments import describe_corpus, plugin_files
from metaopt.tuning.comparison import REPORT_SEEDS, Comparison, Contender, compare, contender_named
from metaopt.tuning.cost import (
    HELD_OUT_COMPARED,
    REFERENCES,
    TUNING_COMPARED,
    Forecast,
    fold_compared,
    forecast,
)
from metaopt.tuning.evaluator import Evaluator
from metaopt.tuning.held_out import Fold, without_families
from metaopt.tuning.held_out import folds as divide
from metaopt.tuning.ledger import Ledger, Outcome
from metaopt.tuning.portfolio import Portfolio, task_features
from metaopt.tuning.progress import Progress, Tracker, to_stderr
from metaopt.tuning.racing import BLOCKS, REDUCTION, race_order
from metaopt.tuning.references import DEFAULT_BASELINE, Reference, pool_configurations, references
from metaopt.tuning.result import Cost, TuneResult
from metaopt.tuning.search import Found, search
from metaopt.tuning.search_space import JointSpace, joint_space
from metaopt.tuning.stopping import replayable
from metaopt.tuning.study import BATCH, RACE_SEED, Study, TimeUpError
from metaopt.tuning.workers import Workers

#: What a recipe is compared with unless someone says otherwise; each must be a plugin's name, with "+controller".
AGAINST = ("adamw", "adamw+cosine", "schedulefree_adamw", "prodigy")


def tune(
    corpus: Any,
    *,
    n_trials: int = 100,
    timeout: float | None = None,
    storage: str | None = None,
    study_name: str = "metaopt",
    seed: int = 0,
    portfolio: int = 5,
    optimizers: Sequence[str] | None = None,
    controllers: Sequence[str] | None = None,
    wrappers: Sequence[str] | None = None,
    stoppers: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    baseline: Recipe | str | Path | None = None,
    held_out: Sequence[str] = (),
    folds: int | None = None,
    against: Sequence[str] = AGAINST,
    workers: int = 1,
    registry: Registry | None = None,
    announce: Callable[[str], None] = to_stderr,
    progress: Callable[[Progress], None] = lambda progress: None,
    train: bool = True,
) -> TuneResult:
    """Tune optimizer, controller and stopper together over a corpus.

    Args:
        corpus: whatever `metaopt.load_corpus` takes.
        n_trials: candidates to judge; more than were judged before continues the study.
        timeout: seconds after which the best recipe so far is returned; nothing that finished is lost.
        storage: database URL of ledger and study; in memory if left out.
        study_name: several studies may share a storage and reuse each other's evaluations.
        seed: of the sampler.
        portfolio: how many complementary recipes to name.
        optimizers: names of plugins to choose from; all by default.
        controllers: names of plugins to choose from; all by default.
        wrappers: names of plugins to choose from; all by default.
        stoppers: names of plugins to choose from; all that can be replayed by default.
        settings: `"plugin.hyperparameter=low..high"` or `"=value"`.
        baseline: recipe whose runs score 0; AdamW at 1e-3 by default.
        held_out: families that only the comparison sees.
        folds: cross-validate over tasks in this many parts, each with a study of its own.
        against: `"optimizer"` or `"optimizer+controller"`, at their defaults, to compare the recipe with.
        workers: processes that train, under this one, which alone writes.
        registry: where plugins are; everything installed by default.
        announce: told in one line whenever there is something to say, the cost before the start among it.
        progress: called whenever a training begins or ends.
        train: False to make the result of what the ledger holds, without training anything.

    Returns:
        The recipe, the portfolio, and what they are worth.

    Raises:
        InputError: an argument is not valid.
        StorageError: the storage cannot be used, or holds another study of this name.
    """
    found = registry or registries.current()
    if n_trials < 1:
        raise InputError(f"n_trials must be at least 1, got {n_trials}.")
    if portfolio < 1:
        raise InputError(f"portfolio must be at least 1, got {portfolio}.")
    if timeout is not None and timeout <= 0:
        raise InputError(f"timeout must be a positive number of seconds, got {timeout:g}.")
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    if held_out and folds is not None:
        raise InputError("--held-out and --folds exclude each other; choose one.")
    replayable(found, stoppers)
    start = _baseline(baseline, found)
    session = _Session(
        corpus=load_corpus(corpus),
        space=joint_space(found, optimizers=optimizers, controllers=controllers, wrappers=wrappers, settings=settings),
        evaluator=Evaluator(
            Ledger(storage or "sqlite://"),
            found,
            workers=Workers(workers, announce=announce) if workers > 1 else None,
            announce=announce,
            tracker=Tracker(progress),
        ),
        baseline=start,
        seed=seed,
        study_name=study_name,
        portfolio=portfolio,
        stoppers=stoppers,
        against=[contender_named(name) for name in against],
        deadline=None if timeout is None else time.monotonic() + timeout,
        announce=announce,
        train=train,
        arguments={
            "corpus": describe_corpus(corpus, found),
            "n_trials": n_trials,
            "seed": seed,
            "portfolio": portfolio,
            "optimizers": optimizers,
            "controllers": controllers,
            "wrappers": wrappers,
            "stoppers": stoppers,
            "settings": settings,
            "baseline": start.to_json(),
            "held_out": held_out,
            "folds": folds,
            "against": against,
            "plugin_files": plugin_files(found),
        },
    )
    try:
        # Making a result again from the ledger writes nothing, so it may be done beside a running study.
        with session.evaluator.ledger.driving(study_name) if train else nullcontext():
            return session.tune(n_trials, held_out, folds)
    finally:
        session.evaluator.close()


class _Session:
    """One call of `tune`: what its steps share."""

    def __init__(
        self,
        *,
        corpus: Corpus,
        space: JointSpace,
        evaluator: Evaluator,
        baseline: Configuration,
        seed: int,
        study_name: str,
        portfolio: int,
        stoppers: Sequence[str] | None,
        against: Sequence[Contender],
        deadline: float | None,
        announce: Callable[[str], None],
        train: bool,
        arguments: Mapping[str, Any],
    ) -> None:
        self.corpus = corpus
        self.space = space
        self.evaluator = evaluator
        self.baseline = baseline
        self.seed = seed
        self.study_name = study_name
        self.portfolio = portfolio
        self.stoppers = stoppers
        self.against = against
        self.deadline = deadline
        self.announce = announce
        self.train = train
        self.arguments = arguments
        self.evaluator.check = self._check_train
        self.references: dict[str, Reference] = {}

    def tune(self, n_trials: int, held_out: Sequence[str], num_folds: int | None) -> TuneResult:
        """References, the main study, cross-validation, comparisons."""
        for contender in self.against:
            assemble(contender.configuration, self.evaluator.registry)
        divided = [] if num_folds is None else divide(self.corpus, num_folds)
        split = without_families(self.corpus, held_out) if held_out else None
        main = split.tuning if split is not None else self.corpus.tasks
        for fold in (Fold("", main, ()), *divided):
            self._claim(fold)
        if self.train:
            self.evaluator.ledger.remember(self.study_name, self.arguments)
            self._announce_cost(forecast(self.evaluator, self.corpus, main, divided, n_trials, len(self.against) + 1))
        elif not self._judged(Fold("", main, ())):
            raise StorageError(f"The study {self.study_name!r} has judged no candidate yet; run its tune command.")
        self.references = self._references()
        for name, reference in self.references.items():
            if reference.scale.weight == 0:
                self.announce(f"{name}: no reference run stayed finite, so the task takes no part in the objective.")
        found = self._search(Fold("", main, ()), n_trials)
        comparison = self._held_out(found, split, divided, n_trials)
        tuning_comparison = None if self._late() else self._compare(found, main, TUNING_COMPARED)
        return self._result(found, main, comparison, tuning_comparison, split, divided)

    def _search(self, fold: Fold, n_trials: int) -> Found:
        self.evaluator.tracker.begin(fold.name)
        study = Study(
            name=self._name(fold),
            space=self.space,
            tasks=fold.tuning,
            references=self.references,
            evaluator=self.evaluator,
            seed=self.seed,
            report=partial(self._report, fold.name, n_trials),
        )
        wanted = n_trials if self.train else min(n_trials, len(self._judged(fold)))
        with self._timed():
            return search(
                study,
                wanted,
                baseline=self.baseline,
                portfolio=self.portfolio,
                corpus=self.corpus.name,
                stoppers=self.stoppers,
            )

    def _report(self, fold: str, n_trials: int, done: int, best: float) -> None:
        label = f"{fold}: " if fold else ""
        self.announce(f"{label}{done} of {n_trials} candidates, best objective {best:.3f}{self._remaining()}.")
        self.evaluator.tracker.improve(best)

    def _held_out(self, found: Found, split: Fold | None, divided: Sequence[Fold], n_trials: int) -> Comparison | None:
        if split is not None and not self._late():
            return self._compare(found, split.held_out, HELD_OUT_COMPARED)
        parts = []
        for fold in divided:
            if self._late():
                break
            if self.train or self._judged(fold):
                parts.append(self._compare(self._search(fold, n_trials), fold.held_out, fold_compared(fold)))
        known = [part for part in parts if part is not None]
        return Comparison.merged(known) if known else None

    def _compare(self, found: Found, tasks: Sequence[AnyTask], phase: str) -> Comparison | None:
        """The comparison; None where nothing may be trained and the ledger lacks a part of it."""
        self.evaluator.tracker.begin(phase)
        contenders = [Contender.of(found.recipe), *self.against]
        try:
            return compare(self.evaluator, tasks, self.references, contenders)
        except TimeUpError:
            self.announce(f"Not in the ledger, and left out: {phase}.")
            return None

    def _judged(self, fold: Fold) -> list[Outcome]:
        return self.evaluator.ledger.outcomes(self._name(fold))

    def _references(self) -> dict[str, Reference]:
        if self.train:
            self.announce("References of each task: the baseline, and a long-tuned run.")
        self.evaluator.tracker.begin(REFERENCES)
        try:
            with self._timed():
                return references(self.evaluator, race_order(self.corpus.tasks), self.baseline)
        except TimeUpError:
            if not self.train:
                raise StorageError(
                    f"The study {self.study_name!r} lacks references of some tasks, so nothing can be said yet; "
                    "run its tune command to the end."
                ) from None
            raise InputError(
                "The time was up before the references of all tasks were done; what is finished is in the ledger: "
                "run it again, or with a longer --timeout."
            ) from None

    def _claim(self, fold: Fold) -> None:
        self.evaluator.ledger.claim(
            self._name(fold),
            {
                "tasks": {task.name: task.fingerprint for task in fold.tuning},
                "space": self.space.to_json(),
                "seed": self.seed,
                "baseline": self.baseline.to_json(),
                "race": {"blocks": list(BLOCKS), "reduction": REDUCTION, "batch": BATCH, "seed": RACE_SEED},
            },
        )

    def _result(
        self,
        found: Found,
        main: Sequence[AnyTask],
        comparison: Comparison | None,
        tuning_comparison: Comparison | None,
        split: Fold | None,
        divided: Sequence[Fold],
    ) -> TuneResult:
        ledger, registry = self.evaluator.ledger, self.evaluator.registry
        candidates = [
            [proposal.configuration for proposal in ledger.proposals(self._name(fold))]
            for fold in (Fold("", (), ()), *divided)
        ]
        base = [self.baseline, *pool_configurations(registry)]
        own = {one.key for one in (*base, *(contender.configuration for contender in self.against))}
        own.update(one.key for part in candidates for one in part)
        evaluations = [one for one in self.evaluator.evaluations(self.corpus.tasks) if one.key.configuration_key in own]
        return TuneResult(
            recipe=found.recipe,
            portfolio=self._portfolio(found, main),
            corpus=self.corpus,
            comparison=comparison,
            tuning_comparison=tuning_comparison,
            judged=found.judged,
            front=found.front,
            scales={name: reference.scale for name, reference in self.references.items()},
            evaluations=evaluations,
            cost=Cost.of(evaluations, proposed=candidates[0], references=base, report_seeds=REPORT_SEEDS),
            interrupted=found.interrupted,
            held_out_by="families" if split is not None else "folds" if divided else None,
            space=self.space,
        )

    def _portfolio(self, found: Found, main: Sequence[AnyTask]) -> Portfolio:
        features = [task_features(task, found.recipe, self.evaluator.registry) for task in main]
        return Portfolio(found.portfolio, np.stack(features), found.portfolio_scores)

    def _announce_cost(self, expected: Forecast) -> None:
        self.evaluator.tracker.plan(expected.phases)
        for line in expected.lines():
            self.announce(line)

    def _name(self, fold: Fold) -> str:
        return f"{self.study_name}/{fold.name}" if fold.name else self.study_name

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Inside, trainings end early when the time is up."""
        self.evaluator.check = self._check
        try:
            yield
        finally:
            self.evaluator.check = self._check_train

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _check(self) -> None:
        self._check_train()
        if self._late():
            raise TimeUpError

    def _check_train(self) -> None:
        if not self.train:
            raise TimeUpError

    def _remaining(self) -> str:
        return "" if self.deadline is None else f", {max(self.deadline - time.monotonic(), 0):.0f} s left"


def _baseline(given: Recipe | str | Path | None, registry: Registry) -> Configuration:
    if given is None:
        return DEFAULT_BASELINE
    recipe = given if isinstance(given, Recipe) else load_recipe(given)
    assemble(recipe.configuration, registry)
    return recipe.configuration
