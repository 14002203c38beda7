"""Tune once on a family of tasks; the result is a recipe, and an honest account of what it bought."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

from metaopt.configuration import Configuration, assemble
from metaopt.errors import InputError, quoted
from metaopt.inner import Compile
from metaopt.plugin import Registry, current_registry
from metaopt.recipe import Recipe, load_recipe
from metaopt.tasks import describe_corpus, load_corpus
from metaopt.tuning.arguments import check_count, plugin_files
from metaopt.tuning.judging.comparison import contender_named
from metaopt.tuning.judging.references import DEFAULT_BASELINE
from metaopt.tuning.ledger import study_identity as studies
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.schema_two import reading
from metaopt.tuning.result import TuneResult
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.learned_tasks import few_shot_only, proposed_for_few_shots
from metaopt.tuning.running.progress import Progress, Tracker, to_stderr
from metaopt.tuning.running.workers import Workers
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.start_from import StartFrom, known_settings
from metaopt.tuning.search.time_limit import TimeLimit
from metaopt.tuning.session import Session
from metaopt.tuning.stopping.stopping import replayable

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
    start_from: StartFrom = None,
    held_out: Sequence[str] = (),
    folds: int | None = None,
    against: Sequence[str] = AGAINST,
    workers: int = 1,
    compile: Compile = "auto",
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
        optimizers: names of plugins to choose from; all that are not learned by default, for few-shot tasks those that
            are: their candidates are meta-trained, judged after a ninth, a third and all of a task's iterations.
        controllers: names of plugins to choose from; all by default, a constant rate for few-shot tasks.
        wrappers: names of plugins to choose from; all by default, none for few-shot tasks.
        stoppers: names of plugins to choose from; all that can be replayed by default.
        settings: `"plugin.hyperparameter=low..high"` or `"=value"`.
        baseline: recipe whose runs score 0; AdamW at 1e-3 by default.
        start_from: settings that every study judges before its own proposals, as many as `n_trials` allows: a JSON
            file, recipes, portfolios, configurations; see `metaopt.tuning.search.start_from.known_settings`.
        held_out: families that only the comparison sees.
        folds: cross-validate over tasks in this many parts, each with a study of its own.
        against: `"optimizer"` or `"optimizer+controller"`, at their defaults, to compare the recipe with.
        workers: processes that train, under this one, which alone writes.
        compile: `"on"` and `"off"` decide for all graphs of the population engine; `"auto"` compiles those that repay
            themselves by the study's predicted counts.
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
    found = registry or current_registry()
    studies.check_name(study_name)
    check_count("n_trials", n_trials)
    check_count("portfolio", portfolio)
    check_count("workers", workers)
    check_count("seed", seed, least=0)
    if folds is not None:
        check_count("folds", folds, least=None)
    if timeout is not None and (not isinstance(timeout, int | float) or not timeout > 0):
        raise InputError(f"timeout must be a positive number of seconds, got {quoted(timeout)}.")
    if compile not in get_args(Compile):
        raise InputError(f"compile must be auto, on or off, got {quoted(compile)}.")
    if held_out and folds is not None:
        raise InputError("--held-out and --folds exclude each other; choose one.")
    replayable(found, stoppers)
    loaded = load_corpus(corpus)
    if few_shot_only(loaded.tasks, folds, held_out):
        optimizers = proposed_for_few_shots(found) if optimizers is None else optimizers
        controllers = ("constant",) if controllers is None else controllers
        wrappers = () if wrappers is None else wrappers
    start = _baseline(baseline, found)
    known = known_settings(start_from, found)
    url = "sqlite://" if storage is None else storage
    session = Session(
        corpus=loaded,
        space=joint_space(found, optimizers=optimizers, controllers=controllers, wrappers=wrappers, settings=settings),
        evaluator=Evaluator(
            Ledger(url) if train else reading(url, loaded.tasks),
            found,
            workers=Workers(workers, announce=announce) if workers > 1 else None,
            announce=announce,
            tracker=Tracker(progress),
            compile=compile,
        ),
        baseline=start,
        start_from=known,
        seed=seed,
        study_name=study_name,
        portfolio=portfolio,
        stoppers=stoppers,
        against=[contender_named(name) for name in against],
        limit=TimeLimit(None if timeout is None else time.monotonic() + timeout, train=train),
        announce=announce,
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
            "start_from": [one.to_json() for one in known] or None,
            "held_out": held_out,
            "folds": folds,
            "against": against,
            "compile": compile,
            "plugin_files": plugin_files(found),
        },
    )
    try:
        # Making a result again from the ledger writes nothing, so it may be done beside a running study.
        with session.evaluator.ledger.driving(study_name) if train else nullcontext():
            return session.tune(n_trials, held_out, folds)
    finally:
        session.evaluator.close()


def _baseline(given: Recipe | str | Path | None, registry: Registry) -> Configuration:
    if given is None:
        return DEFAULT_BASELINE
    recipe = given if isinstance(given, Recipe) else load_recipe(given)
    assemble(recipe.configuration, registry)
    return recipe.configuration
