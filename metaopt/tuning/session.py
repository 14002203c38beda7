"""One run of `tune`: references, the main study, cross-validation, comparisons."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import optuna

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import AnyTask, Array, Corpus
from metaopt.errors import InputError, StorageError
from metaopt.recipe import Recipe
from metaopt.tuning.judging.comparison import REPORT_SEEDS, Comparison, Contender
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.held_out import Fold, without_families
from metaopt.tuning.judging.held_out import folds as divide
from metaopt.tuning.judging.references import Reference, adopt_shipped, check_scored, pool_configurations, references
from metaopt.tuning.judging.statistics import population_held_out
from metaopt.tuning.ledger.evaluations import Outcome
from metaopt.tuning.portfolio import Portfolio, task_features
from metaopt.tuning.result import Cost, TuneResult, with_scores
from metaopt.tuning.running.cost import (
    HELD_OUT_COMPARED,
    REFERENCES,
    TUNING_COMPARED,
    Forecast,
    Pace,
    fold_compared,
    forecast,
)
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.learned_tasks import with_budgets, with_weights
from metaopt.tuning.running.workloads import begun_with, workloads
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.racing import BLOCKS, HEAT, SHARE, race_order
from metaopt.tuning.search.search import Found, search
from metaopt.tuning.search.start_from import account, identity
from metaopt.tuning.search.study import BATCH, RACE_SEED, Study
from metaopt.tuning.search.time_limit import TimeLimit, TimeUpError


@dataclass(kw_only=True)
class Session:
    """One call of `tune`: what its steps share."""

    corpus: Corpus
    space: JointSpace
    evaluator: Evaluator
    baseline: Configuration
    start_from: Sequence[Configuration]
    seed: int
    study_name: str
    portfolio: int
    stoppers: Sequence[str] | None
    against: Sequence[Contender]
    limit: TimeLimit
    announce: Callable[[str], None]
    arguments: Mapping[str, Any]
    references: dict[str, Reference] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.evaluator.check = self.limit.check

    def tune(self, n_trials: int, held_out: Sequence[str], num_folds: int | None) -> TuneResult:
        """References, the main study, cross-validation, comparisons."""
        for contender in self.against:
            assemble(contender.configuration, self.evaluator.registry)
        divided = [] if num_folds is None else divide(self.corpus, num_folds)
        split = without_families(self.corpus, held_out) if held_out else None
        main = split.tuning if split is not None else self.corpus.tasks
        for fold in (Fold("", main, ()), *divided):
            self._claim(fold)
        if self.limit.train:
            self.evaluator.ledger.remember(self.study_name, self.arguments)
            self._plan_graphs([Fold("", main, ()), *divided], n_trials)
            adopt_shipped(self.evaluator, self.corpus.tasks, self.baseline)
            if self.start_from:
                self.announce(account(self.start_from, n_trials, self.space, self.evaluator.registry))
            pace = Pace(self.evaluator)
            self.evaluator.predict = pace.seconds
            self._announce_cost(forecast(pace, self.corpus, main, divided, n_trials, len(self.against) + 1))
        elif not self._judged(Fold("", main, ())):
            raise StorageError(f"The study {self.study_name!r} has judged no candidate yet; run its tune command.")
        self.references = self._references()
        for name, reference in self.references.items():
            if reference.scale.weight == 0:
                self.announce(f"{name}: no reference run stayed finite, so the task takes no part in the objective.")
        for fold in (Fold("", main, ()), *divided):
            check_scored(with_budgets(fold.tuning), self.references)
        found = self._learned(self._search(Fold("", main, ()), n_trials))
        comparison = self._held_out(found, split, divided, n_trials)
        tuning_comparison = None if self.limit.late else self._compare(found, main, TUNING_COMPARED)
        return self._result(found, main, comparison, tuning_comparison, split, divided)

    def _plan_graphs(self, folds: Sequence[Fold], n_trials: int) -> None:
        """Which graphs repay themselves, by the counts of the study's first call: continued, it trains as before."""
        first = self.evaluator.ledger.arguments(self.study_name, first=True)
        self.evaluator.ahead = workloads(
            self.corpus.tasks, folds, begun_with(first, n_trials), len(self.against) + 1, self.space
        )

    def _search(self, fold: Fold, n_trials: int) -> Found:
        self.evaluator.tracker.begin(fold.name)
        study = Study(
            name=self._name(fold),
            space=self.space,
            tasks=with_budgets(fold.tuning),
            references=self.references,
            evaluator=self.evaluator,
            seed=self.seed,
            start_from=self.start_from,
            report=partial(self._report, fold.name, n_trials),
        )
        wanted = n_trials if self.limit.train else min(n_trials, len(self._judged(fold)))
        with self.limit.enforced():
            return search(
                study,
                wanted,
                baseline=self.baseline,
                portfolio=self.portfolio,
                corpus=self.corpus.name,
                stoppers=self.stoppers,
            )

    def _learned(self, found: Found) -> Found:
        """What was found, with weights if its rule is learned."""
        recipe = found.portfolio[0]
        folder = self.evaluator.ledger.folder
        learned = with_weights(
            recipe,
            self.corpus.tasks,
            self.evaluator.registry,
            seed=self.seed,
            folder=None if folder is None else folder / self.study_name,
            train=self.limit.train,
        )
        if learned is recipe:
            return found
        return replace(found, recipe=learned, portfolio=(learned, *found.portfolio[1:]))

    def _report(self, fold: str, n_trials: int, done: int, best: float) -> None:
        label = f"{fold}: " if fold else ""
        self.announce(f"{label}{done} of {n_trials} candidates, best objective {best:.3f}{self.limit.remaining}.")
        self.evaluator.tracker.improve(best)

    def _held_out(self, found: Found, split: Fold | None, divided: Sequence[Fold], n_trials: int) -> Comparison | None:
        if split is not None and not self.limit.late:
            comparison = self._compare(found, split.held_out, HELD_OUT_COMPARED)
            over = population_held_out([task.family for task in split.held_out])
            return None if comparison is None else replace(comparison, over=over)
        parts = []
        for fold in divided:
            if self.limit.late:
                break
            if self.limit.train or self._judged(fold):
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
        if self.limit.train:
            self.announce("References of each task: the baseline, and a long-tuned run.")
        self.evaluator.tracker.begin(REFERENCES)
        try:
            with self.limit.enforced():
                return references(self.evaluator, race_order(with_budgets(self.corpus.tasks)), self.baseline)
        except TimeUpError:
            if not self.limit.train:
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
                "race": {"blocks": list(BLOCKS), "share": SHARE, "batch": BATCH, "heat": HEAT, "seed": RACE_SEED},
                **({"start_from": identity(self.start_from)} if self.start_from else {}),
                **({"optuna": optuna.__version__} if self.limit.train else {}),
            },
            unless=() if self.limit.train else ("optuna",),  # whose sampler nobody asks any more
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
        stored = self.evaluator.evaluations(with_budgets(self.corpus.tasks))
        evaluations = [one for one in stored if one.key.configuration_key in own]
        held_out_by = "families" if split is not None else "folds" if divided else None
        recipe, *others = found.portfolio
        if tuning_comparison is not None:
            recipe = with_scores(recipe, comparison, held_out_by, tuning_comparison)
        return TuneResult(
            recipe=recipe,
            portfolio=self._portfolio((recipe, *others), found.portfolio_scores, main),
            corpus=self.corpus.subset(with_budgets(self.corpus.tasks)),
            comparison=comparison,
            tuning_comparison=tuning_comparison,
            judged=found.judged,
            front=found.front,
            scales={name: reference.scale for name, reference in self.references.items()},
            evaluations=evaluations,
            cost=Cost.of(
                evaluations,
                proposed=candidates[0],
                references=base,
                report_seeds=REPORT_SEEDS,
                shipped=ledger.shipped(task.fingerprint for task in self.corpus),
            ),
            interrupted=found.interrupted,
            held_out_by=held_out_by,
            space=self.space,
        )

    def _portfolio(self, recipes: tuple[Recipe, ...], scores: Array, main: Sequence[AnyTask]) -> Portfolio:
        features = [task_features(task, recipes[0], self.evaluator.registry) for task in with_budgets(main)]
        return Portfolio(recipes, np.stack(features), scores)

    def _announce_cost(self, expected: Forecast) -> None:
        self.evaluator.tracker.plan(expected.phases)
        for line in expected.lines():
            self.announce(line)

    def _name(self, fold: Fold) -> str:
        return f"{self.study_name}/{fold.name}" if fold.name else self.study_name
