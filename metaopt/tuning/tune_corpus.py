"""Tune once on a family of tasks; the result is a recipe, and an honest account of what it bought."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import Corpus, FewShotTask, MultiTask, Reporter, Watch, to_stderr
from metaopt.errors import InputError, checked_function, quoted
from metaopt.inner import Compile
from metaopt.plugin import Registry, current_registry
from metaopt.recipe import Recipe, load_recipe
from metaopt.tasks import Source, describe_corpus, load_corpus
from metaopt.tuning.arguments import AGAINST, StudyArguments, check_count, plugin_files
from metaopt.tuning.executors.named import LOCAL, dispatcher
from metaopt.tuning.host import for_host
from metaopt.tuning.judging.references import DEFAULT_BASELINE
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.schema_two import reading
from metaopt.tuning.ledger.study_identity import check_name
from metaopt.tuning.own_values import check_values, own_account
from metaopt.tuning.result import TuneResult
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.learned_tasks import (
    check_few_shots,
    check_have_episodes,
    check_have_rules,
    check_one_task,
    proposed_for_few_shots,
)
from metaopt.tuning.running.progress import Progress, TimeLimit, Tracker
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.racing import with_budgets
from metaopt.tuning.search.start_from import StartFrom, known_settings
from metaopt.tuning.seeds import BLACK_BOX_SEEDS
from metaopt.tuning.session import Session
from metaopt.tuning.stopping.stopping import replayable


@checked_function()
def tune(
    corpus: Source,
    *,
    n_trials: int = 100,
    timeout: float | None = None,
    storage: str | None = None,
    study_name: str = "metaopt",
    seed: int = 0,
    portfolio: int = 5,
    optimizers: Sequence[str] | None = None,
    learners: Sequence[str] | None = None,
    controllers: Sequence[str] | None = None,
    wrappers: Sequence[str] | None = None,
    weightings: Sequence[str] | None = None,
    surgeries: Sequence[str] | None = None,
    stoppers: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    baseline: Recipe | str | Path | None = None,
    start_from: StartFrom = None,
    held_out: Sequence[str] = (),
    folds: int | None = None,
    against: Sequence[str] = AGAINST,
    seeds: int = BLACK_BOX_SEEDS,
    workers: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
    compile: Compile = "auto",
    host: str | None = None,
    registry: Registry | None = None,
    announce: Callable[[str], None] = to_stderr,
    progress: Callable[[Progress], None] = lambda progress: None,
    watch: Watch | None = None,
    train: bool = True,
) -> TuneResult:
    """Tune optimizer, controller and stopper together over a corpus, and what its tasks have to search of their own.

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
        learners: names of learners to choose from beside the optimizers, on few-shot tasks; where no optimizers are
            named, these alone.
        controllers: names of plugins to choose from; all by default, a constant rate for few-shot tasks.
        wrappers: names of plugins to choose from; all by default, none for few-shot tasks.
        weightings: names of plugins to choose from, on corpora with a `metaopt.MultiTask`; all there by default, as of
            `surgeries`.
        surgeries: names of plugins to choose from; '' or an empty list for none.
        stoppers: names of plugins to choose from; all that can be replayed by default.
        settings: `"plugin.hyperparameter=low..high"` or `"=value"`; of the tasks' own, `"values.NAME=…"`.
        baseline: recipe whose runs score 0; AdamW at 1e-3 by default.
        start_from: settings that every study judges before its own proposals, as many as `n_trials` allows: a JSON
            file, recipes, portfolios, configurations; see `metaopt.tuning.search.start_from.known_settings`.
        held_out: families that only the comparison sees.
        folds: cross-validate over tasks in this many parts, each with a study of its own.
        against: `"optimizer"` or `"optimizer+controller"`, at their defaults, to compare the recipe with.
        seeds: runs of each finalist and of the baseline on a black box, which is run once elsewhere.
        workers: processes that train, under this one, which alone writes; by default this one trains by itself, and on
            a cluster there are as many as it has room for.
        executor: where they are: `"local"`, on this machine, or `"ray"`, on a cluster.
        address: of the cluster: `"auto"` (the default: the one that this machine belongs to), `"ray://host:10001"`.
        compile: `"on"` and `"off"` decide for all graphs of the population engine; `"auto"` compiles those that repay
            themselves by the study's predicted counts.
        host: `"lightning"`, `"transformers"`, `"accelerate"`, `"skorch"`, `"keras"` or `"fastai"`: plugins that need
            what it does not supply are left out, and named; None for a loop that its user writes.
        registry: where plugins are; everything installed by default.
        announce: told in one line whenever there is something to say, the cost before the start among it.
        progress: called whenever a training begins or ends.
        watch: a function, or several, that is called with each `metaopt.Event`: evaluations, scores, candidates.
        train: False to make the result of what the ledger holds, without training anything.

    Returns:
        The recipe, the portfolio, and what they are worth.

    Raises:
        InputError: an argument is not valid.
        StorageError: the storage cannot be used, or holds another study of this name.
    """
    plugins = current_registry(registry)
    arguments = StudyArguments(
        corpus=describe_corpus(corpus, plugins),
        n_trials=n_trials,
        seed=seed,
        portfolio=portfolio,
        optimizers=optimizers,
        learners=learners,
        controllers=controllers,
        wrappers=wrappers,
        weightings=weightings,
        surgeries=surgeries,
        stoppers=stoppers,
        settings=settings,
        baseline=DEFAULT_BASELINE if baseline is None else _checked_configuration(baseline, plugins),
        start_from=() if start_from is None else known_settings(start_from, plugins),
        held_out=held_out,
        folds=folds,
        against=against,
        seeds=seeds,
        compile=compile,
        host=host,
        plugin_files=plugin_files(plugins),
    )
    return run_study(
        corpus,
        arguments,
        storage="sqlite://" if storage is None else storage,
        study_name=study_name,
        timeout=timeout,
        workers=workers,
        executor=executor,
        address=address,
        registry=plugins,
        announce=announce,
        progress=progress,
        watch=watch,
        train=train,
    )


def run_study(
    source: Source,
    arguments: StudyArguments,
    *,
    storage: str,
    study_name: str,
    registry: Registry,
    announce: Callable[[str], None],
    timeout: float | None = None,
    workers: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
    watch: Watch | None = None,
    train: bool = True,
) -> TuneResult:
    """Begin a study, continue it, or make its result again; arguments and errors are those of `tune`."""
    check_name(study_name)
    if workers is not None:
        check_count("workers", workers)
    if timeout is not None and (not isinstance(timeout, int | float) or not timeout > 0):
        raise InputError(f"timeout must be a positive number of seconds, got {quoted(timeout)}.")
    replayable(registry, arguments.stoppers)
    report = Reporter("tune", watch)
    corpus = load_corpus(source)
    check_values([arguments.baseline], corpus.tasks, "The baseline")
    check_values(arguments.start_from, corpus.tasks, "A setting of start_from")
    if train and (line := own_account(corpus.tasks)):
        announce(line)
    is_few_shot = any(isinstance(task, FewShotTask) for task in corpus)
    check_have_episodes(arguments.learners, corpus.tasks)
    is_joint = any(isinstance(task, MultiTask) for task in corpus)
    if (arguments.weightings or arguments.surgeries) and not is_joint:
        raise InputError(
            "Weightings and surgeries are for tasks that share a trunk, and the corpus has no metaopt.MultiTask; leave "
            "them out."
        )
    if is_few_shot:
        arguments = _with_few_shot_defaults(arguments, corpus, registry)
    arguments = for_host(arguments, registry, announce if train else lambda line: None)
    space = joint_space(
        registry,
        optimizers=arguments.optimizers,
        learners=arguments.learners,
        controllers=arguments.controllers,
        wrappers=arguments.wrappers,
        weightings=arguments.weightings if is_joint else (),
        surgeries=arguments.surgeries if is_joint else (),
        settings=arguments.settings,
        laws=not is_few_shot,
        tasks=corpus.tasks,
    )
    if is_few_shot:
        check_one_task(space.learners, corpus.tasks)
        check_have_rules((*space.optimizers, *space.for_matrices))
    ledger = Ledger(storage) if train else reading(storage, corpus.tasks)
    begun = ledger.begun_with(study_name)
    if begun is not None and "roles" not in begun["space"] and not space.states_roles:
        space = space.without_roles  # as an earlier metaopt began it
    if begun is not None and "rate_law" not in begun["space"] and not space.states_laws:
        space = space.without_laws
    session = Session(
        corpus=corpus,
        arguments=arguments,
        study_name=study_name,
        space=space,
        evaluator=Evaluator(
            ledger,
            registry,
            announce=announce,
            tracker=Tracker(progress, announce),
            compile=arguments.compile,
            report=report,
        ),
        limit=TimeLimit(None if timeout is None else time.monotonic() + timeout, train=train),
        announce=announce,
        workers=workers or 1,
    )
    try:
        session.evaluator.workers = dispatcher(executor, workers, address, announce, ledger.file.path)
        # Making a result again from the ledger writes nothing, so it may be done beside a running study.
        with ledger.driving(study_name) if train else nullcontext():
            if not train:
                session.evaluator.read_all(with_budgets(corpus.tasks))
            result = session.tune()
            cost = {"evaluations": float(result.cost.evaluations), "seconds": result.cost.seconds}
            report("result", len(result.judged), cost, str(result.verdict or ""), candidate=result.recipe.name)
            return result
    finally:
        session.evaluator.close()


def _with_few_shot_defaults(arguments: StudyArguments, corpus: Corpus, registry: Registry) -> StudyArguments:
    """Few-shot tasks are for learned rules at a constant rate, without wrappers, unless the caller says otherwise.

    Whoever names learners alone wants these alone.
    """
    check_few_shots(corpus.tasks, arguments.folds, arguments.held_out)
    proposed = () if arguments.learners else tuple(proposed_for_few_shots(registry))
    return replace(
        arguments,
        optimizers=proposed if arguments.optimizers is None else arguments.optimizers,
        controllers=("constant",) if arguments.controllers is None else arguments.controllers,
        wrappers=() if arguments.wrappers is None else arguments.wrappers,
    )


def _checked_configuration(baseline: Recipe | str | Path, registry: Registry) -> Configuration:
    recipe = baseline if isinstance(baseline, Recipe) else load_recipe(baseline)
    assemble(recipe.configuration, registry)
    return recipe.configuration
