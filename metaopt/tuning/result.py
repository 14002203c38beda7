"""What tuning returns."""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from metaopt.configuration import Configuration
from metaopt.contracts import Corpus, Task
from metaopt.errors import one_line
from metaopt.prediction import FittedPredictor, fit
from metaopt.recipe import Interval, Recipe, recorded
from metaopt.tuning.judging.comparison import Comparison
from metaopt.tuning.judging.scores import AnyScale
from metaopt.tuning.judging.verdict import Verdict
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey, Proposal, RaceOutcome
from metaopt.tuning.own_values import prefixed
from metaopt.tuning.portfolio import Portfolio
from metaopt.tuning.search.joint_space import JointSpace
from metaopt.tuning.seeds import is_reported
from metaopt.tuning.stopping.stopping import PolicyResult, is_chosen


@dataclass(frozen=True)
class Cost:
    """Compute that a result took, whether in this process or before.

    Attributes:
        evaluations: training runs of the search itself.
        reference_evaluations: training runs of the references and their pools.
        comparison_evaluations: training runs of the comparison and of cross-validation.
        seconds: wall-clock seconds of all of them together, as recorded when they ran.
        shipped_evaluations: how many of all these training runs came with a corpus, whose author ran them.
        shipped_seconds: wall-clock seconds of these, as recorded when they ran.
    """

    evaluations: int
    reference_evaluations: int
    comparison_evaluations: int
    seconds: float
    shipped_evaluations: int = 0
    shipped_seconds: float = 0.0

    @classmethod
    def of(
        cls,
        evaluations: Sequence[Evaluation],
        *,
        proposed: Collection[Configuration],
        references: Collection[Configuration],
        shipped: Collection[EvaluationKey] = frozenset(),
    ) -> "Cost":
        """Count evaluations by what they were for.

        Args:
            evaluations: of this result.
            proposed: candidates of the main study.
            references: the baseline and the pool of trials.
            shipped: evaluations that came with a corpus.
        """
        candidates = {configuration.key for configuration in proposed}
        reference_keys = {configuration.key for configuration in references}
        from_corpus = [evaluation for evaluation in evaluations if evaluation.key in shipped]
        searched_or_reference = [
            evaluation.key.configuration_key for evaluation in evaluations if not is_reported(evaluation.key.seed)
        ]
        searched = sum(key in candidates for key in searched_or_reference)
        of_references = sum(key in reference_keys and key not in candidates for key in searched_or_reference)
        return cls(
            evaluations=searched,
            reference_evaluations=of_references,
            comparison_evaluations=len(evaluations) - searched - of_references,
            seconds=sum(evaluation.seconds for evaluation in evaluations),
            shipped_evaluations=len(from_corpus),
            shipped_seconds=sum(evaluation.seconds for evaluation in from_corpus),
        )


@dataclass(frozen=True, repr=False)
class TuneResult:
    """The result of `metaopt.tune`.

    Attributes:
        recipe: the best recipe found.
        portfolio: complementary recipes in the order to try them, the first being `recipe`; `select(task)` picks one.
        corpus: what it was tuned on.
        comparison: on tasks that tuning never saw (`held_out`, `folds`), or None.
        tuning_comparison: the same contenders on the tuning tasks, on fresh seeds.
        judged: every candidate with its outcome, the best first.
        front: stopping policies that no other one beats, from the most careful to the most thrifty.
        scales: how each task is scored.
        evaluations: training runs that it rests on, those of other studies in the same ledger left out.
        cost: compute that it took.
        interrupted: whether `timeout` ended it.
        space: what candidates were proposed from.
        held_out_by: `"folds"`, `"families"` or None: what the comparison held out.
        verdict: whether the recipe is better than what would have been used without tuning.
        weak: names of tuning tasks that cannot tell settings apart.
    """

    recipe: Recipe
    portfolio: Portfolio
    corpus: Corpus
    comparison: Comparison | None
    tuning_comparison: Comparison | None
    judged: Sequence[tuple[Proposal, RaceOutcome]]
    front: Sequence[PolicyResult]
    scales: Mapping[str, AnyScale]
    evaluations: Sequence[Evaluation]
    cost: Cost
    interrupted: bool
    held_out_by: str | None
    space: JointSpace
    verdict: Verdict
    weak: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Which recipe won on what, after how many training runs."""
        return one_line(
            self,
            recipe=self.recipe.name,
            corpus=self.corpus.name,
            tasks=len(self.corpus),
            portfolio=len(self.portfolio),
            candidates=len(self.judged),
            evaluations=len(self.evaluations),
            held_out_by=self.held_out_by,
            interrupted=self.interrupted,
        )

    def fit(self, task: Task | str | Path, *, num_steps: int | None = None, seed: int = 0) -> FittedPredictor:
        """Train the model of a task by the recipe, on all its rows, images or texts; see `metaopt.fit`.

        Args:
            task: of the corpus or another that `metaopt.load_corpus` made of files, or the file or folder of one.
            num_steps: planned steps; those of the task if left out.
            seed: of the model's initial weights and of its batches.

        Raises:
            InputError: it was made of no files, cannot be used, or the training diverged.
        """
        return fit(self.recipe, task, num_steps=num_steps, seed=seed)

    @property
    def stopping(self) -> PolicyResult | None:
        """What the recipe's stopping policy gave up and saved in the replay; None if it saved nothing, as guards do."""
        mine = [policy for policy in self.front if is_chosen(policy, self.recipe.stopper) and policy.steps_saved > 0]
        return max(mine, key=lambda policy: policy.steps_saved, default=None)

    def evaluations_dataframe(self) -> pd.DataFrame:
        """One row an evaluation: task, family, seed, validation and test value at the best validation, score, seconds.

        Values are in the task's own orientation. The configuration follows: plugins, and each hyperparameter by name.
        """
        signs = {task.name: task.sign for task in self.corpus}
        flat: dict[str, dict[str, Any]] = {}
        for evaluation in self.evaluations:
            key = evaluation.key.configuration_key
            if key not in flat:  # most configurations ran on many tasks
                flat[key] = _flat(evaluation.configuration.to_json())
        rows = [_row(each, self.scales[each.task], signs[each.task]) for each in self.evaluations]
        if not rows:
            return pd.DataFrame()
        settings = pd.DataFrame(list(flat.values()), index=list(flat))  # a tenth of the rows, with most of the columns
        return pd.DataFrame(rows).join(settings, on="configuration_key")

    def trials_dataframe(self) -> pd.DataFrame:
        """One row a candidate: number, batch, objective, tasks done, whether it finished the race, configuration."""
        return pd.DataFrame(
            [
                {
                    "number": proposal.number,
                    "batch": proposal.batch,
                    "objective": outcome.objective,
                    "tasks_done": outcome.tasks_done,
                    "complete": outcome.complete,
                    **_flat(proposal.configuration.to_json()),
                }
                for proposal, outcome in self.judged
            ]
        )


def _row(evaluation: Evaluation, scale: AnyScale, sign: float) -> dict[str, Any]:
    curve = evaluation.curve
    best = curve.best_index()
    return {
        "task": evaluation.task,
        "family": evaluation.family,
        "seed": evaluation.key.seed,
        "validation": float("nan") if best is None else sign * float(curve.values[best]),
        "test": sign * curve.test_at_best(),
        "score": scale.score(curve),
        "diverged": curve.diverged,
        "seconds": evaluation.seconds,
        "configuration_key": evaluation.key.configuration_key,
    }


def _flat(configuration: Mapping[str, Any]) -> dict[str, Any]:
    if "learner" in configuration:  # in the place of an optimizer, as the search chooses it
        return {"optimizer": configuration["learner"], "controller": "", "wrappers": "", **configuration["hparams"]}
    names = {"optimizer": configuration["optimizer"], "controller": configuration["controller"]}
    by_role = {
        f"roles.{role}.{name}": value
        for role, own in configuration.get("roles", {}).items()
        for name, value in own.items()
    }
    depth = {"depth_decay": configuration["depth_decay"]} if "depth_decay" in configuration else {}
    own = prefixed(configuration.get("values", {}))
    wrappers = "+".join(configuration["wrappers"])
    of_tasks = {kind: configuration[kind] for kind in ("weighting", "surgery") if kind in configuration}
    return {**names, "wrappers": wrappers, **of_tasks, **by_role, **depth, **configuration["hparams"], **own}


def with_scores(
    recipe: Recipe, held_out: Comparison | None, held_out_by: str | None, tuning: Comparison | None
) -> Recipe:
    """The recipe with its test scores and those of what it was compared with.

    Args:
        recipe: as found.
        held_out: comparison on tasks that its search, or that of the task's fold, did not see.
        held_out_by: `"families"` or `"folds"`.
        tuning: comparison on the tasks that it was tuned on; None where there was no time for it.
    """
    scores = dict(recorded(recipe.provenance, "scores"))
    if tuning is not None:
        scores["tuning"] = _record(tuning)
    if held_out is not None:
        scores["held_out"] = {"by": held_out_by, "intervals_over": held_out.over, **_record(held_out)}
    return dataclasses.replace(recipe, provenance={**recipe.provenance, "scores": scores})


def with_verdict(recipe: Recipe, verdict: Verdict) -> Recipe:
    """The recipe with the verdict on it in its provenance."""
    return dataclasses.replace(recipe, provenance={**recipe.provenance, "verdict": verdict.to_json()})


def _record(comparison: Comparison) -> dict[str, Any]:
    """Test scores of all contenders, as [value, low, high], and what the first run is worth."""
    worth = comparison.trials_worth()
    return {
        "tasks": len(comparison.tasks),
        "mean": {name: _ends(comparison.interval(name)) for name in comparison.contenders},
        "interquartile_mean": {name: _ends(comparison.middle(name)) for name in comparison.contenders},
        "random_trials_worth": None
        if worth is None
        else [_finite(end) for end in (worth.number, worth.low, worth.high)],
    }


def _ends(interval: Interval) -> list[float | None]:
    return [_finite(number) for number in (interval.value, interval.low, interval.high)]


def _finite(number: float) -> float | None:
    return round(number, 4) if math.isfinite(number) else None
