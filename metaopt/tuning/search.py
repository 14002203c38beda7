"""From tasks to a recipe: the race, the finalists on fresh seeds, the stopper by replay, the portfolio."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metaopt.configuration import Configuration
from metaopt.contracts import Corpus, Task
from metaopt.recipe import MadeOn, Recipe
from metaopt.tuning.ledger import Outcome, Proposal
from metaopt.tuning.scores import objective
from metaopt.tuning.stopping import (
    PolicyResult,
    RecordedRun,
    default_policy,
    pareto_front,
    replay_policies,
    with_guard,
)
from metaopt.tuning.study import RACE_SEED, Study, TimeUpError

#: Candidates that run again on fresh seeds before one is chosen, and those seeds.
FINALISTS = 5
FINAL_SEEDS = (1, 2)


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        recipe: the best one.
        portfolio: complementary ones in the order to try them, the first being `recipe`.
        judged: every candidate with its outcome.
        front: stopping policies that no other one beats.
        interrupted: whether the time was up before the end.
    """

    recipe: Recipe
    portfolio: tuple[Recipe, ...]
    judged: Sequence[tuple[Proposal, Outcome]]
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
) -> Found:
    """Run the study and choose.

    Args:
        study: what to search.
        num_candidates: how many to judge in all.
        baseline: taken where the time is up before any candidate has finished.
        portfolio: how many complementary recipes to name.
        corpus: name of the corpus, for the record.
        stoppers: names of the plugins to choose from; all by default.
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
        scores = {one.key: study.scores(one, _final_seeds(interrupted)) for one in finalists}
    except TimeUpError:
        interrupted, scores = True, {one.key: study.scores(one, (RACE_SEED,)) for one in finalists}
    winner = max(finalists, key=lambda one: study.objective(scores[one.key]))
    front, stopper = _stoppers(study, finalists, stoppers)
    record = _provenance(study, scores[winner.key], corpus, len(judged))
    recipe = Recipe.create(winner, stopper, registry=study.evaluator.registry, **record)
    others = _complementary(study, winner, _distinct(complete), portfolio)
    return Found(
        recipe=recipe,
        portfolio=(
            recipe,
            *(Recipe.create(one, stopper, registry=study.evaluator.registry, **record) for one in others),
        ),
        judged=judged,
        front=front,
        interrupted=interrupted,
    )


def _final_seeds(interrupted: bool) -> tuple[int, ...]:
    return (RACE_SEED,) if interrupted else (RACE_SEED, *FINAL_SEEDS)


def _distinct(configurations: Sequence[Configuration]) -> list[Configuration]:
    return list({one.key: one for one in configurations}.values())


def _stoppers(
    study: Study, finalists: Sequence[Configuration], names: Sequence[str] | None
) -> tuple[list[PolicyResult], Any]:
    curves = study.evaluator.curves(finalists, study.tasks, (RACE_SEED,))
    runs = [
        RecordedRun(curves[one.key, task.name, RACE_SEED], study.references[task.name].scale, task.sign)
        for one in finalists
        for task in study.tasks
    ]
    results = replay_policies(runs, study.evaluator.registry, study.seed, names)
    return pareto_front(results), with_guard(default_policy(results), study.evaluator.registry)


def _complementary(
    study: Study, winner: Configuration, complete: Sequence[Configuration], size: int
) -> list[Configuration]:
    """Greedy: each next one raises the mean over tasks of the best score so far the most."""
    table = {one.key: study.scores(one, (RACE_SEED,)) for one in complete}
    best = dict(table.get(winner.key) or study.scores(winner, (RACE_SEED,)))
    chosen: list[Configuration] = []
    left = [one for one in complete if one.key != winner.key]
    while left and len(chosen) + 1 < size:
        following = max(left, key=lambda one: sum(max(best[task], table[one.key][task]) for task in best))
        if all(table[following.key][task] <= best[task] for task in best):
            break
        chosen.append(following)
        left.remove(following)
        best = {task: max(best[task], table[following.key][task]) for task in best}
    return chosen


def _provenance(study: Study, scores: Mapping[str, float], corpus: str, candidates: int) -> dict[str, Any]:
    supervised = [task for task in study.tasks if isinstance(task, Task)]
    sizes = [sum(param.numel() for param in task.build(0).parameters()) for task in supervised]
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
