"""One run of `tune`: references, the main study, cross-validation, comparisons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import optuna

from metaopt.configuration import assemble
from metaopt.contracts import AnyTask, Array, Corpus
from metaopt.errors import InputError, StorageError
from metaopt.recipe import Recipe
from metaopt.tuning.arguments import StudyArguments
from metaopt.tuning.held_against import HeldAgainst, baseline_of, weak_tasks
from metaopt.tuning.judging.comparison import Comparison, Contender
from metaopt.tuning.judging.contest import compare, with_runs
from metaopt.tuning.judging.held_out import Fold, folds, without_families
from metaopt.tuning.judging.references import References, adopt_shipped, check_scored, pool_configurations, references
from metaopt.tuning.judging.statistics import population_held_out
from metaopt.tuning.laws.handed_over import with_law
from metaopt.tuning.ledger.evaluations import RaceOutcome
from metaopt.tuning.portfolio import Portfolio, task_features
from metaopt.tuning.result import Cost, TuneResult, with_scores, with_verdict
from metaopt.tuning.running.cost import (
    HELD_OUT_COMPARED,
    REFERENCES,
    TUNING_COMPARED,
    begun_with,
    fold_compared,
    forecast,
    workloads,
)
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.machine import measured
from metaopt.tuning.running.pace import Pace
from metaopt.tuning.running.progress import TimeLimit, TimeUpError
from metaopt.tuning.running.winner_weights import with_weights
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.search.racing import race_order, with_budgets
from metaopt.tuning.search.search import Choice, SearchResult, search
from metaopt.tuning.search.start_from import account, identity
from metaopt.tuning.search.study import Study, race_rules


@dataclass(kw_only=True)
class Session:
    """One call of `tune`: what its steps share.

    Attributes:
        corpus: every task, at its whole budget.
        arguments: what the study is asked for.
        study_name: in the ledger.
        space: what may be proposed.
        evaluator: runs what the ledger lacks.
        limit: whether anything may be trained, and until when.
        announce: told in one line whenever there is something to say.
        workers: processes that train.
        references: of each task, by its name, once they are known.
    """

    corpus: Corpus
    arguments: StudyArguments
    study_name: str
    space: JointSpace
    evaluator: Evaluator
    limit: TimeLimit
    announce: Callable[[str], None]
    workers: int = 1
    references: References = field(init=False)

    def __post_init__(self) -> None:
        self._held = HeldAgainst(self.arguments, self.corpus, self.space, self.evaluator.registry)
        self.evaluator.check = self.limit.check

    def tune(self) -> TuneResult:
        """References, the main study, cross-validation, comparisons."""
        for contender in self._held.named:
            assemble(contender.configuration, self.evaluator.registry)
        arguments = self.arguments
        divided = [] if arguments.folds is None else folds(self.corpus, arguments.folds)
        split = without_families(self.corpus, arguments.held_out) if arguments.held_out else None
        main = Fold("", self.corpus.tasks if split is None else split.tuning, ())
        for fold in (main, *divided):
            self._claim(fold)
        if self.limit.train:
            self._prepare(main, divided)
        elif not self._outcomes(main):
            raise StorageError(f"The study {self.study_name!r} has judged no candidate yet; run its tune command.")
        self.references = self._references()
        for name, reference in self.references.items():
            if reference.scale.weight == 0:
                self.announce(f"{name}: no reference run stayed finite, so the task takes no part in the objective.")
        for fold in (main, *divided):
            check_scored(with_budgets(fold.tuning), self.references)
        result = self._with_weights(self._search(main))
        with self.limit.enforced():
            result = with_law(result, with_budgets(main.tuning), self.space, self.evaluator)
        comparison = self._held_out(result, split, divided)
        compared = None if self.limit.late else self._compare(result, main.tuning, TUNING_COMPARED, held_out=False)
        return self._result(result, main.tuning, comparison, compared, split, divided)

    def _prepare(self, main: Fold, divided: Sequence[Fold]) -> None:
        """Before anything is trained: keep the arguments, plan which graphs are compiled, say what it will cost."""
        arguments, evaluator = self.arguments, self.evaluator
        evaluator.ledger.remember(self.study_name, arguments.to_json())
        self._plan_graphs([main, *divided])
        adopt_shipped(evaluator, self.corpus.tasks, arguments.baseline)
        if arguments.start_from:
            self.announce(account(arguments.start_from, arguments.n_trials, self.space, evaluator.registry))
        for note in (*self._held.notes, *self.corpus.notes):
            self.announce(note)
        pace = Pace(evaluator, self.space.optimizers, measured())
        evaluator.predict = pace.seconds
        counts = arguments.n_trials, self._held.most_contenders, arguments.seeds
        expected = forecast(pace, self.corpus, main.tuning, divided, *counts, self.space, self.workers)
        evaluator.tracker.plan(expected.phases, workers=expected.workers, speedup=expected.speedup)
        for line in expected.lines():
            self.announce(line)

    def _plan_graphs(self, parts: Sequence[Fold]) -> None:
        """Which graphs repay themselves, by the counts of the study's first call: continued, it trains as before."""
        first = self.evaluator.ledger.arguments(self.study_name, first=True)
        n_trials = begun_with(first, self.arguments.n_trials)
        self.evaluator.ahead = workloads(
            self.corpus.tasks, parts, n_trials, len(self._held.most_contenders) + 1, self.space
        )

    def _search(self, fold: Fold) -> SearchResult:
        self.evaluator.tracker.begin(fold.name)
        arguments = self.arguments
        study = Study(
            name=self._name(fold),
            space=self.space.serving(fold.tuning),
            tasks=with_budgets(fold.tuning),
            references=self.references,
            evaluator=self.evaluator,
            seed=arguments.seed,
            start_from=arguments.start_from,
            report=partial(self._report, fold.name),
        )
        judged = arguments.n_trials if self.limit.train else min(arguments.n_trials, len(self._outcomes(fold)))
        with self.limit.enforced():
            return search(
                study,
                judged,
                Choice(
                    baselines=self._held.baselines,
                    portfolio=arguments.portfolio,
                    corpus=self.corpus.name,
                    stoppers=arguments.stoppers,
                    repeats=arguments.seeds,
                    forbidden=self._held.forbids,
                ),
            )

    def _with_weights(self, result: SearchResult) -> SearchResult:
        """What a search over few-shot tasks found, with weights if its rule is learned."""
        folder = self.evaluator.ledger.folder
        learned = with_weights(
            result.recipe,
            self.corpus.tasks,
            self.evaluator,
            seed=self.arguments.seed,
            folder=None if folder is None else folder / self.study_name,
            train=self.limit.train,
        )
        return replace(result, recipe=learned, portfolio=(learned, *result.portfolio[1:]))

    def _report(self, fold: str, done: int, best: float) -> None:
        label, n_trials = f"{fold}: " if fold else "", self.arguments.n_trials
        self.announce(f"{label}{done} of {n_trials} candidates, best objective {best:.3f}{self.limit.remaining}.")
        self.evaluator.tracker.improve(best)

    def _held_out(self, result: SearchResult, split: Fold | None, divided: Sequence[Fold]) -> Comparison | None:
        if split is not None and not self.limit.late:
            comparison = self._compare(result, split.held_out, HELD_OUT_COMPARED)
            over = population_held_out([task.family for task in split.held_out])
            return None if comparison is None else replace(comparison, over=over)
        parts = []
        for fold in divided:
            if not self.limit.late and (self.limit.train or self._outcomes(fold)):
                parts.append(self._compare(self._search(fold), fold.held_out, fold_compared(fold)))
        complete = list(filter(None, parts))
        return Comparison.merged(complete) if complete else None

    def _compare(
        self, result: SearchResult, tasks: Sequence[AnyTask], phase: str, *, held_out: bool = True
    ) -> Comparison | None:
        """The comparison; None where nothing may be trained and the ledger lacks a part of it."""
        self.evaluator.tracker.begin(phase)
        incumbent = baseline_of(result.outcome.incumbent, result.baselines)
        recipe, others = Contender.of(result.recipe), self._held.contenders(result.outcome, result.baselines)
        how: dict[str, Any] = {"held_out": held_out, "repeats": self.arguments.seeds}
        wanted = others
        try:
            if not self.limit.train:
                wanted = [*others, *self._held.named]
                others = with_runs(self.evaluator, tasks, self.references, wanted, **how)
            name = next((each.name for each in others if incumbent is not None and each.name == incumbent.name), None)
            comparison = compare(self.evaluator, tasks, self.references, [recipe, *others], incumbent=name, **how)
        except TimeUpError:
            self.announce(f"Not in the ledger, and left out: {phase}.")
            return None
        lacking = sorted({each.name for each in wanted} - {each.name for each in others})
        if lacking:
            self.announce(f"Not in the ledger, and left out of {phase}: {', '.join(lacking)}.")
        return comparison

    def _outcomes(self, fold: Fold) -> list[RaceOutcome]:
        return self.evaluator.ledger.outcomes(self._name(fold))

    def _references(self) -> References:
        if self.limit.train:
            self.announce("References of each task: the baseline, and a long-tuned run.")
        self.evaluator.tracker.begin(REFERENCES)
        try:
            with self.limit.enforced():
                return references(self.evaluator, race_order(with_budgets(self.corpus.tasks)), self.arguments.baseline)
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
                "space": self.space.serving(fold.tuning).to_json(),
                "seed": self.arguments.seed,
                "baseline": self.arguments.baseline.to_json(),
                "race": race_rules(self.space),
                **({"start_from": identity(self.arguments.start_from)} if self.arguments.start_from else {}),
                **({"optuna": optuna.__version__} if self.limit.train else {}),
            },
            unless=() if self.limit.train else ("optuna",),  # whose sampler is not asked any more
        )

    def _result(
        self,
        result: SearchResult,
        main: Sequence[AnyTask],
        comparison: Comparison | None,
        tuning_comparison: Comparison | None,
        split: Fold | None,
        divided: Sequence[Fold],
    ) -> TuneResult:
        ledger, registry = self.evaluator.ledger, self.evaluator.registry
        tasks = with_budgets(self.corpus.tasks)
        proposed = [
            [proposal.configuration for proposal in ledger.proposals(self._name(fold))]
            for fold in (Fold("", (), ()), *divided)
        ]
        trials = [self.arguments.baseline, *pool_configurations(registry)]
        contenders = self._held.contenders(result.outcome, result.baselines)
        compared = [*result.swept, *(each.configuration for each in (*contenders, *self._held.named))]
        keys = {configuration.key for part in (trials, compared, *proposed) for configuration in part}
        evaluations = [known for known in self.evaluator.evaluations(tasks) if known.key.configuration_key in keys]
        held_out_by = "families" if split is not None else "folds" if divided else None
        recipe, *others = result.portfolio
        verdict = self._held.verdict(result.outcome, result.baselines, comparison, tuning_comparison)
        if tuning_comparison is not None:
            recipe = with_scores(recipe, comparison, held_out_by, tuning_comparison)
        recipe = with_verdict(recipe, verdict)
        return TuneResult(
            recipe=recipe,
            portfolio=Portfolio((recipe, *others), self._features(recipe, main), result.portfolio_scores),
            corpus=self.corpus.subset(tasks),
            comparison=comparison,
            tuning_comparison=tuning_comparison,
            judged=result.judged,
            front=result.front,
            scales={name: reference.scale for name, reference in self.references.items()},
            evaluations=evaluations,
            cost=Cost.of(
                evaluations,
                proposed=proposed[0],
                references=trials,
                shipped=ledger.shipped(task.fingerprint for task in self.corpus),
            ),
            interrupted=result.interrupted,
            held_out_by=held_out_by,
            space=self.space,
            verdict=verdict,
            weak=weak_tasks(main, self.references),
        )

    def _features(self, recipe: Recipe, main: Sequence[AnyTask]) -> Array:
        return np.stack([task_features(task, recipe, self.evaluator.registry) for task in with_budgets(main)])

    def _name(self, fold: Fold) -> str:
        return f"{self.study_name}/{fold.name}" if fold.name else self.study_name
