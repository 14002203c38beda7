"""A recipe on another corpus, beside what others would have used."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from metaopt.configuration import assemble
from metaopt.errors import InputError
from metaopt.plugin import Registry, current_registry
from metaopt.recipe import Recipe, load_recipe
from metaopt.tasks import load_corpus
from metaopt.tuning.arguments import check_count
from metaopt.tuning.judging.comparison import Comparison, Contender, contender_named
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.evaluation_cost import evaluation_cost
from metaopt.tuning.judging.own_trials import tpe_trials
from metaopt.tuning.judging.references import DEFAULT_BASELINE, POOL_SIZE, check_scored, references
from metaopt.tuning.judging.scaled import compare_scaled, scaled_tasks
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.learned_tasks import Weights
from metaopt.tuning.running.progress import to_stderr


def evaluate(
    recipe: Recipe | str | Path,
    corpus: Any,
    *,
    against: Sequence[str] = ("adamw", "schedulefree_adamw"),
    tuned: int = 0,
    scaled: bool = False,
    storage: str | None = None,
    registry: Registry | None = None,
    announce: Callable[[str], None] = to_stderr,
) -> Comparison:
    """Run a recipe and others on every task of a corpus: same tasks, seeds and budgets, judged on test splits.

    Args:
        recipe: a recipe, or where one is stored.
        corpus: whatever `metaopt.load_corpus` takes.
        against: `"optimizer"` or `"optimizer+controller"`, at their defaults.
        tuned: also show the best of this many random trials and of a TPE search of this many on each task itself, at
            most 32.
        scaled: also compare with the baseline at ¼ and 4 times the batch size, 10 times the steps, 10 times the
            parameters, on at most `scaled.MOST_TASKS` tasks each.
        storage: database URL of a ledger to reuse and to write; in memory if left out.
        registry: where plugins are; everything installed by default.
        announce: called with one line whenever there is something to say.

    Raises:
        InputError: an argument is not valid, or no reference run of any task stayed finite.
        PluginError: a plugin of the recipe or of the others is unknown.
    """
    check_count("tuned", tuned, least=None)
    if not 0 <= tuned <= POOL_SIZE:
        raise InputError(f"tuned must be between 0 and {POOL_SIZE}, the size of a task's pool of trials, got {tuned}.")
    found = registry or current_registry()
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    contenders = [Contender.of(loaded), *(contender_named(name) for name in against)]
    for contender in contenders:
        assemble(contender.configuration, found)
    tasks = load_corpus(corpus).tasks
    learned = {loaded.configuration.key: Weights(loaded.theta)} if loaded.theta else {}
    grown = scaled_tasks(tasks) if scaled else {}
    ledger = Ledger("sqlite://" if storage is None else storage)
    try:
        evaluator = Evaluator(ledger, found, announce=announce, learned=learned)
        configurations = [one.configuration for one in contenders]
        announce(evaluation_cost(evaluator, tasks, configurations, DEFAULT_BASELINE, tuned=tuned, scaled=grown))
        scales = references(evaluator, tasks, DEFAULT_BASELINE)
        check_scored(tasks, scales)
        tpe = tpe_trials(evaluator, tasks, tuned) if tuned else {}
        comparison = compare(evaluator, tasks, scales, contenders, tuned=tuned, tpe=tpe)
        return replace(comparison, scaled=compare_scaled(evaluator, grown, contenders[0], DEFAULT_BASELINE))
    finally:
        ledger.close()
