"""A recipe on another corpus, beside what others would have used."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from metaopt import registry as registries
from metaopt.configuration import assemble
from metaopt.errors import InputError
from metaopt.recipe import Recipe, load_recipe
from metaopt.registry import Registry
from metaopt.tasks import load_corpus
from metaopt.tuning.comparison import Comparison, Contender, compare, contender_named
from metaopt.tuning.evaluator import Evaluator
from metaopt.tuning.ledger import Ledger
from metaopt.tuning.progress import to_stderr
from metaopt.tuning.references import DEFAULT_BASELINE, POOL_SIZE, references


def evaluate(
    recipe: Recipe | str | Path,
    corpus: Any,
    *,
    against: Sequence[str] = ("adamw", "schedulefree_adamw"),
    tuned: int = 0,
    storage: str | None = None,
    registry: Registry | None = None,
    announce: Callable[[str], None] = to_stderr,
) -> Comparison:
    """Run a recipe and others on every task of a corpus: same tasks, seeds and budgets, judged on test splits.

    Args:
        recipe: a recipe, or where one is stored.
        corpus: whatever `metaopt.load_corpus` takes.
        against: `"optimizer"` or `"optimizer+controller"`, at their defaults.
        tuned: also show the best of this many random trials on each task itself, at most 32.
        storage: database URL of a ledger to reuse and to write; in memory if left out.
        registry: where plugins are; everything installed by default.
        announce: called with one line whenever there is something to say.

    Raises:
        InputError: an argument is not valid.
        PluginError: a plugin of the recipe or of the others is unknown.
    """
    if not 0 <= tuned <= POOL_SIZE:
        raise InputError(f"tuned must be between 0 and {POOL_SIZE}, the size of a task's pool of trials, got {tuned}.")
    found = registry or registries.current()
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    contenders = [Contender.of(loaded), *(contender_named(name) for name in against)]
    for contender in contenders:
        assemble(contender.configuration, found)
    tasks = load_corpus(corpus).tasks
    ledger = Ledger(storage or "sqlite://")
    try:
        evaluator = Evaluator(ledger, found, announce=announce)
        scales = references(evaluator, tasks, DEFAULT_BASELINE)
        return compare(evaluator, tasks, scales, contenders, tuned=tuned)
    finally:
        ledger.close()
