"""What tuning returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metaopt.configuration import Configuration
from metaopt.contracts import Corpus
from metaopt.recipe import Recipe
from metaopt.registry import Registry
from metaopt.tuning.comparison import Comparison
from metaopt.tuning.ledger import Evaluation, Outcome, Proposal
from metaopt.tuning.references import pool_configurations
from metaopt.tuning.scores import AnyScale
from metaopt.tuning.stopping import PolicyResult


@dataclass(frozen=True)
class Cost:
    """Compute that a result took, whether in this process or before.

    Attributes:
        evaluations: training runs of the search itself.
        reference_evaluations: training runs of the references and their pools.
        comparison_evaluations: training runs of the comparison and of cross-validation.
        seconds: wall-clock seconds of all of them together, as recorded when they ran.
    """

    evaluations: int
    reference_evaluations: int
    comparison_evaluations: int
    seconds: float

    @classmethod
    def of(
        cls,
        evaluations: Sequence[Evaluation],
        registry: Registry,
        judged: Sequence[tuple[Proposal, Outcome]],
        baseline: Configuration,
        report_seeds: Sequence[int],
    ) -> "Cost":
        """Count evaluations by what they were for."""
        proposed = {proposal.configuration.key for proposal, _ in judged}
        pool = {configuration.key for configuration in (*pool_configurations(registry), baseline)}
        compared = [one for one in evaluations if one.key.seed in report_seeds]
        own = [one for one in evaluations if one.key.seed not in report_seeds]
        of_references = [
            one for one in own if one.key.configuration_key in pool and one.key.configuration_key not in proposed
        ]
        return cls(
            evaluations=len(own) - len(of_references),
            reference_evaluations=len(of_references),
            comparison_evaluations=len(compared),
            seconds=sum(one.seconds for one in evaluations),
        )


@dataclass(frozen=True)
class TuneResult:
    """The result of `metaopt.tune`.

    Attributes:
        recipe: the best recipe found.
        portfolio: a few complementary recipes in the order to try them; the first is `recipe`.
        corpus: what it was tuned on.
        comparison: on tasks that tuning never saw (`held_out`, `folds`), or None.
        tuning_comparison: the same contenders on the tuning tasks, on fresh seeds.
        judged: every candidate with its outcome, the best first.
        front: stopping policies that no other one beats, from the most careful to the most thrifty.
        scales: how each task is scored.
        cost: compute that it took.
        interrupted: whether `timeout` ended it.
        held_out_by: `"folds"`, `"families"` or None: what the comparison held out.
    """

    recipe: Recipe
    portfolio: tuple[Recipe, ...]
    corpus: Corpus
    comparison: Comparison | None
    tuning_comparison: Comparison | None
    judged: Sequence[tuple[Proposal, Outcome]]
    front: Sequence[PolicyResult]
    scales: Mapping[str, AnyScale]
    evaluations: Sequence[Evaluation]
    cost: Cost
    interrupted: bool
    held_out_by: str | None

    def evaluations_dataframe(self) -> pd.DataFrame:
        """One row an evaluation: configuration, task, family, seed, final values, score, seconds."""
        return pd.DataFrame([_row(evaluation, self.scales) for evaluation in self.evaluations])

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


def _row(evaluation: Evaluation, scales: Mapping[str, AnyScale]) -> dict[str, Any]:
    curve = evaluation.curve
    best = curve.best_index()
    return {
        "task": evaluation.task,
        "family": evaluation.family,
        "seed": evaluation.key.seed,
        "validation": float("nan") if best is None else float(curve.values[best]),
        "test": curve.test_at_best(),
        "score": scales[evaluation.task].score(curve) if evaluation.task in scales else float("nan"),
        "diverged": curve.diverged,
        "seconds": evaluation.seconds,
        "configuration_key": evaluation.key.configuration_key,
        **_flat(evaluation.configuration.to_json()),
    }


def _flat(configuration: Mapping[str, Any]) -> dict[str, Any]:
    names = {"optimizer": configuration["optimizer"], "controller": configuration["controller"]}
    return {**names, "wrappers": "+".join(configuration["wrappers"]), **configuration["hparams"]}
