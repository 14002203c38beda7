"""From tasks to a recipe: the race, the finalists on fresh seeds, the stopper by replay, the portfolio."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaopt.configuration import Configuration
from metaopt.contracts import Array, Corpus, FewShotTask, Task
from metaopt.deploy import StopperConfiguration
from metaopt.errors import InputError
from metaopt.plugin import StopperSpec
from metaopt.recipe import MadeOn, Recipe, own_space_record
from metaopt.tuning.judging.references import pool_configurations
from metaopt.tuning.judging.scores import objective
from metaopt.tuning.ledger.evaluations import Proposal, RaceOutcome
from metaopt.tuning.portfolio import greedy_order
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.running.request import Request
from metaopt.tuning.search.baselines import Baseline
from metaopt.tuning.search.estimates import shrunken
from metaopt.tuning.search.final_rounds import in_finals, num_finalists, play
from metaopt.tuning.search.finals import Final, Outcome
from metaopt.tuning.search.study import Study
from metaopt.tuning.seeds import BLACK_BOX_SEEDS, RACE_SEED
from metaopt.tuning.stopping.stopping import (
    TOLERATED_REGRET,
    PolicyResult,
    RecordedRun,
    default_policy,
    pareto_front,
    replay_policies,
    with_guard,
)


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        recipe: what is handed over.
        portfolio: complementary ones in the order to try them, the first being `recipe`.
        portfolio_scores: of each of these on each task, shape (recipes, tasks).
        judged: every candidate with its outcome.
        front: stopping policies that no other one beats.
        interrupted: whether the time was up before the end.
        outcome: of the finals.
        baselines: of the finals.
        swept: configurations that were trained for the recipe's law of rates.
    """

    recipe: Recipe
    portfolio: tuple[Recipe, ...]
    portfolio_scores: Array
    judged: Sequence[tuple[Proposal, RaceOutcome]]
    front: Sequence[PolicyResult]
    interrupted: bool
    outcome: Outcome
    baselines: tuple[Baseline, ...]
    swept: tuple[Configuration, ...] = ()


@dataclass(frozen=True)
class Choice:
    """How a search chooses.

    Attributes:
        baselines: what a tuned recipe has to be better than.
        portfolio: how many complementary recipes to name.
        corpus: name of the corpus, for the record.
        stoppers: names of the plugins to choose from; all by default.
        repeats: runs of a black box with each finalist.
        forbidden: whether the user excluded a configuration, which then is not handed over.
    """

    baselines: Sequence[Baseline]
    portfolio: int
    corpus: str
    stoppers: Sequence[str] | None = None
    repeats: int = BLACK_BOX_SEEDS
    forbidden: Callable[[Configuration], bool] = lambda configuration: False


def search(study: Study, num_candidates: int, choice: Choice) -> SearchResult:
    """Run the study and choose.

    Args:
        study: what to search.
        num_candidates: how many to judge in all.
        choice: how to choose.

    Raises:
        InputError: nothing that was tried stayed finite anywhere.
    """
    interrupted = False
    try:
        study.run(num_candidates)
    except TimeUpError:
        interrupted = True
    judged = study.judged()
    promises = study.promises([outcome for _, outcome in judged])
    finished = [proposal for proposal, outcome in judged if outcome.complete]
    complete = [p.configuration for p in sorted(finished, key=lambda p: promises[p.number], reverse=True)]
    candidates = _distinct(complete)[: num_finalists(study.tasks)]
    baselines = in_finals(study, choice.baselines, complete)
    if not candidates:
        baselines = baselines or list(choice.baselines[:1])
    final, late = play(study, candidates, baselines, repeats=choice.repeats)
    interrupted = interrupted or late
    ran = _distinct([*candidates, *(baseline.configuration for baseline in baselines)])
    outcome = final.outcome()
    _check_finite(study, final, outcome)
    handed_over = next(configuration for configuration in ran if configuration.key == outcome.chosen)
    own = next((b.stopper for b in baselines if b.configuration.key == outcome.chosen), None)
    stopped = candidates if outcome.is_tuned else [handed_over]
    front, stopper = _stoppers(study, final, stopped, choice.stoppers, tolerated=outcome.is_tuned)
    table = _table(study, final, handed_over, [c for c in complete if not choice.forbidden(c)], choice.forbidden)
    recipes = []
    # Each member of a portfolio of learned rules would need weights of its own.
    count = 1 if any(isinstance(task, FewShotTask) for task in study.tasks) else choice.portfolio
    for key in greedy_order(table, handed_over.key, count):
        record = _provenance(study, *table[key], choice.corpus, len(judged))
        stops = own if key == handed_over.key and own is not None else stopper
        recipes.append(Recipe.create(table[key][0], stops, registry=study.evaluator.registry, **record))
    return SearchResult(
        recipe=recipes[0],
        portfolio=tuple(recipes),
        portfolio_scores=np.asarray([list(table[recipe.configuration.key][1].values()) for recipe in recipes]),
        judged=judged,
        front=front,
        interrupted=interrupted,
        outcome=outcome,
        baselines=tuple(baselines),
    )


def _check_finite(study: Study, final: Final, outcome: Outcome) -> None:
    """Refuse to make a recipe of what diverged on every task: it may be all that the user did not exclude."""
    if not any(finalist.has_finite for finalist in final.finalists if finalist.key == outcome.chosen):
        raise InputError(
            f"No candidate of the study {study.name!r} stayed finite on any of its tasks, so there is no recipe to "
            "make; look at what the tasks yield, or search elsewhere (optimizers, --set, n_trials)."
        )


def _distinct(configurations: Sequence[Configuration]) -> list[Configuration]:
    return list({configuration.key: configuration for configuration in configurations}.values())


def _stoppers(
    study: Study, final: Final, finalists: Sequence[Configuration], names: Sequence[str] | None, *, tolerated: bool
) -> tuple[list[PolicyResult], StopperConfiguration | None]:
    """Policies replayed over these finalists' runs of the finals: what no other beats, and that of the recipe.

    A baseline is handed over with one that gives up nothing, for it must not be worse than it would have been.
    """
    if any(isinstance(task, FewShotTask) for task in study.tasks):
        return [], None  # a support set has nothing to validate on
    registry = study.evaluator.registry
    results = replay_policies(list(_recorded(study, final, finalists, names)), registry, study.seed, names)
    chosen = default_policy(results, TOLERATED_REGRET if tolerated else 0.0)
    return pareto_front(results), with_guard(chosen, registry)


def _recorded(
    study: Study, final: Final, finalists: Sequence[Configuration], names: Sequence[str] | None
) -> Iterator[RecordedRun]:
    """Runs of the finals; where stoppers were asked for that require more signals, the race's again with these."""
    specs = [study.evaluator.registry.get(StopperSpec, name) for name in names or ()]
    required = frozenset[str]().union(*({*spec.requires, *spec.requires_when} for spec in specs))
    evaluator = study.evaluator.recording(required)
    seeds = {finalist.key: finalist.seeds for finalist in final.finalists}
    if evaluator is not study.evaluator:
        try:
            evaluator.curves(finalists, study.tasks, (RACE_SEED,))
            seeds = {key: dict.fromkeys(ran, (RACE_SEED,)) for key, ran in seeds.items()}
        except TimeUpError:
            evaluator = study.evaluator
    requests = [
        Request(task, (finalist,), tuple(seeds[finalist.key][task.name]))
        for finalist in finalists
        for task in study.tasks
    ]
    curves = evaluator.answer(requests)
    for request in requests:
        task, (finalist,) = request.task, request.configurations
        for seed in request.seeds:
            scale = study.references.scale(task, seed)
            yield RecordedRun(curves[finalist.key, task.name, seed], scale, task.sign, task.name)


def _table(
    study: Study,
    final: Final,
    handed_over: Configuration,
    complete: Sequence[Configuration],
    forbidden: Callable[[Configuration], bool],
) -> dict[str, tuple[Configuration, dict[str, float]]]:
    """Scores by task of everything that ran on all tasks: the race's finishers, and the references' pools.

    Finalists have those of the finals; of the others, which ran once, what is left when noise is taken off: see
    `shrunken`.
    """
    pooled = all(isinstance(task, Task) for task in study.tasks)
    pool = [c for c in pool_configurations(study.evaluator.registry) if not forbidden(c)] if pooled else []
    names = [task.name for task in study.tasks]
    fresh = {finalist.key: finalist.mean_scores for finalist in final.finalists if finalist.scores}
    raced = [c for c in _distinct([*complete, *pool]) if c.key != handed_over.key]
    curves = study.evaluator.curves(raced, study.tasks, (RACE_SEED,))
    scales = {task.name: study.references.scale(task, RACE_SEED) for task in study.tasks}
    rows = [[scales[name].final_score(curves[c.key, name, RACE_SEED]) for name in names] for c in raced]
    estimates = shrunken(
        np.asarray(rows).reshape(len(raced), len(names)), [scales[name].share_of_noise for name in names]
    )
    table = {handed_over.key: (handed_over, {name: fresh[handed_over.key][name] for name in names})}
    for configuration, row in zip(raced, estimates, strict=True):
        scores = fresh.get(configuration.key, dict(zip(names, row.tolist(), strict=True)))
        table[configuration.key] = configuration, {name: scores[name] for name in names}
    return table


def _provenance(
    study: Study, configuration: Configuration, scores: Mapping[str, float], corpus: str, candidates: int
) -> dict[str, Any]:
    supervised = [task.with_values(configuration.values) for task in study.tasks if isinstance(task, Task)]
    sizes = [int(task.scale.parameters or 0) for task in supervised]
    made_on = None
    if supervised:
        made_on = MadeOn(
            parameters=(max(min(sizes), 1), max(*sizes, 1)),
            batch_size=_range([task.batch_size for task in supervised]),
            horizon=_range([task.num_steps for task in supervised]),
            dtypes=("float32",),
            pretrained=all(task.is_pretrained for task in supervised),
        )
    cadences = [task.num_validations for task in supervised]
    tasks = Corpus(corpus, tuple(study.tasks))
    return {
        "made_on": made_on,
        "num_validations": round(statistics.median(cadences)) if cadences else None,
        "provenance": {
            "corpus": {
                "name": corpus,
                "fingerprint": tasks.fingerprint,
                "tasks": {task.name: task.fingerprint for task in sorted(study.tasks, key=lambda task: task.name)},
            },
            "seeds": {"study": study.seed, "race": RACE_SEED},
            "study": {"name": study.name, "candidates": candidates},
            "scores": {
                "tuning_objective": objective(scores, {name: study.references[name].scale.weight for name in scores}),
                "by_task": dict(scores),
            },
            **({"own_space": own_space_record(study.space.own, study.space.searched_own)} if study.space.own else {}),
        },
    }


def _range(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)
