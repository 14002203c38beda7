"""From tasks to a recipe: the race, the finalists on fresh seeds, the stopper by replay, the portfolio."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaopt.configuration import Configuration
from metaopt.contracts import Array, Corpus, FewShotTask, Task, num_trained
from metaopt.errors import InputError
from metaopt.plugin import StopperSpec
from metaopt.recipe import MadeOn, Recipe
from metaopt.tuning.judging.references import pool_configurations
from metaopt.tuning.judging.scores import WORST, objective
from metaopt.tuning.ledger.evaluations import Proposal, RaceOutcome
from metaopt.tuning.portfolio import greedy_order
from metaopt.tuning.running.evaluator import Curves
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.search.study import RACE_SEED, Study
from metaopt.tuning.stopping.stopping import (
    PolicyResult,
    RecordedRun,
    default_policy,
    pareto_front,
    replay_policies,
    with_guard,
)

#: Candidates that run again on fresh seeds before one is chosen, and those seeds.
FINALISTS = 5
FINAL_SEEDS = (1, 2)


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        recipe: the best one.
        portfolio: complementary ones in the order to try them, the first being `recipe`.
        portfolio_scores: of each of these on each task, shape (recipes, tasks).
        judged: every candidate with its outcome.
        front: stopping policies that no other one beats.
        interrupted: whether the time was up before the end.
    """

    recipe: Recipe
    portfolio: tuple[Recipe, ...]
    portfolio_scores: Array
    judged: Sequence[tuple[Proposal, RaceOutcome]]
    front: Sequence[PolicyResult]
    interrupted: bool


def search(
    study: Study,
    num_candidates: int,
    *,
    baseline: Configuration,
    portfolio: int,
    corpus: str,
    stoppers: Sequence[str] | None = None,
) -> SearchResult:
    """Run the study and choose.

    Args:
        study: what to search.
        num_candidates: how many to judge in all.
        baseline: taken where the time is up before any candidate has finished.
        portfolio: how many complementary recipes to name.
        corpus: name of the corpus, for the record.
        stoppers: names of the plugins to choose from; all by default.

    Raises:
        InputError: nothing that was tried stayed finite anywhere.
    """
    interrupted = False
    try:
        study.run(num_candidates)
    except TimeUpError:
        interrupted = True
    judged = study.judged()
    complete = [proposal.configuration for proposal, outcome in judged if outcome.complete]
    finalists = _distinct(complete)[:FINALISTS] or [baseline]
    try:
        study.evaluator.curves(finalists, study.tasks, _final_seeds(interrupted))  # side by side
        scores = {finalist.key: study.scores(finalist, _final_seeds(interrupted)) for finalist in finalists}
    except TimeUpError:
        interrupted = True
        scores = {finalist.key: study.scores(finalist, (RACE_SEED,)) for finalist in finalists}
    _check_finite(study, finalists, scores)
    winner = max(finalists, key=lambda finalist: study.objective(scores[finalist.key]))
    front, stopper = _stoppers(study, finalists, stoppers)
    table = _table(study, [winner, *complete])
    recipes = []
    # Each member of a portfolio of learned rules would need weights of its own.
    count = 1 if any(isinstance(task, FewShotTask) for task in study.tasks) else portfolio
    for key in greedy_order(table, winner.key, count):
        record = _provenance(study, scores.get(key) or table[key][1], corpus, len(judged))
        recipes.append(Recipe.create(table[key][0], stopper, registry=study.evaluator.registry, **record))
    return SearchResult(
        recipe=recipes[0],
        portfolio=tuple(recipes),
        portfolio_scores=np.asarray([list(table[recipe.configuration.key][1].values()) for recipe in recipes]),
        judged=judged,
        front=front,
        interrupted=interrupted,
    )


def _check_finite(study: Study, finalists: Sequence[Configuration], scores: Mapping[str, Mapping[str, float]]) -> None:
    """Refuse to make a recipe of what diverged on every task: the best of such candidates is none."""
    if any(score > WORST for of_task in scores.values() for score in of_task.values()):
        return
    curves = study.evaluator.curves(finalists, study.tasks, (RACE_SEED,))
    if all(curve.diverged for curve in curves.values()):
        raise InputError(
            f"No candidate of the study {study.name!r} stayed finite on any of its tasks, so there is no recipe to "
            "make; look at what the tasks yield, or search elsewhere (optimizers, --set, n_trials)."
        )


def _final_seeds(interrupted: bool) -> tuple[int, ...]:
    """Fresh seeds: the race's own would favour candidates that were lucky there."""
    return (RACE_SEED,) if interrupted else FINAL_SEEDS


def _distinct(configurations: Sequence[Configuration]) -> list[Configuration]:
    return list({configuration.key: configuration for configuration in configurations}.values())


def _stoppers(
    study: Study, finalists: Sequence[Configuration], names: Sequence[str] | None
) -> tuple[list[PolicyResult], Any]:
    if any(isinstance(task, FewShotTask) for task in study.tasks):
        return [], None  # a support set has nothing to validate on
    curves = _curves_for(study, finalists, names)
    runs = [
        RecordedRun(
            curves[configuration.key, task.name, RACE_SEED], study.references[task.name].scale, task.sign, task.name
        )
        for configuration in finalists
        for task in study.tasks
    ]
    results = replay_policies(runs, study.evaluator.registry, study.seed, names)
    return pareto_front(results), with_guard(default_policy(results), study.evaluator.registry)


def _curves_for(study: Study, finalists: Sequence[Configuration], names: Sequence[str] | None) -> Curves:
    """Curves with the signals that stoppers require which were asked for by name; without them once the time is up."""
    specs = [study.evaluator.registry.get(StopperSpec, name) for name in names or ()]
    required = frozenset[str]().union(*({*spec.requires, *spec.requires_when} for spec in specs))
    try:
        return study.evaluator.recording(required).curves(finalists, study.tasks, (RACE_SEED,))
    except TimeUpError:
        return study.evaluator.curves(finalists, study.tasks, (RACE_SEED,))


def _table(study: Study, complete: Sequence[Configuration]) -> dict[str, tuple[Configuration, dict[str, float]]]:
    """Scores by task of everything that ran on all tasks: the race's finishers, and the references' pools."""
    pooled = all(isinstance(task, Task) for task in study.tasks)
    everything = _distinct([*complete, *(pool_configurations(study.evaluator.registry) if pooled else [])])
    curves = study.evaluator.curves(everything, study.tasks, (RACE_SEED,))
    return {
        configuration.key: (
            configuration,
            {
                t.name: study.references[t.name].scale.score(curves[configuration.key, t.name, RACE_SEED])
                for t in study.tasks
            },
        )
        for configuration in everything
    }


def _provenance(study: Study, scores: Mapping[str, float], corpus: str, candidates: int) -> dict[str, Any]:
    supervised = [task for task in study.tasks if isinstance(task, Task)]
    sizes = [num_trained(task.build(0)) for task in supervised]
    made_on = None
    if supervised:
        made_on = MadeOn(
            parameters=(max(min(sizes), 1), max(*sizes, 1)),
            batch_size=_range([task.batch_size for task in supervised]),
            horizon=_range([task.num_steps for task in supervised]),
            dtypes=("float32",),
        )
    cadences = [task.num_validations for task in supervised]
    tasks = Corpus(corpus, tuple(study.tasks))
    return {
        "made_on": made_on,
        "num_validations": round(statistics.median(cadences)) if cadences else None,
        "provenance": {
            "corpus": {"name": corpus, "fingerprint": tasks.fingerprint, "tasks": sorted(scores)},
            "seeds": {"study": study.seed, "race": RACE_SEED, "finalists": list(FINAL_SEEDS)},
            "study": {"name": study.name, "candidates": candidates},
            "scores": {
                "tuning_objective": objective(scores, {name: study.references[name].scale.weight for name in scores}),
                "by_task": dict(scores),
            },
        },
    }


def _range(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)
