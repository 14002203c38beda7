"""Where a recipe comes from: what it was tuned on, what it scored, how far it was measured, what made it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metaopt.contracts import RateLaw
from metaopt.errors import RecipeError, quoted, without_long_words
from metaopt.recipe.provenance import recorded
from metaopt.recipe.sharing.estimates import POOL_SIZE, Interval, TrialsWorth, ends_of

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe


def origin(recipe: "Recipe") -> list[str]:
    """Where the recipe comes from, a line each for what is known."""
    record = recipe.provenance
    lines = []
    if corpus := recorded(record, "corpus"):
        tasks = corpus.get("tasks")
        count = len(tasks) if isinstance(tasks, list | dict) else 0  # recipes of earlier versions hold names alone
        lines.append(f"Tuned on {quoted(corpus.get('name'))} ({count} tasks, fingerprint {corpus.get('fingerprint')}).")
    if study := recorded(record, "study"):
        lines.append(f"Study {quoted(study.get('name'))}, {study.get('candidates')} candidates.")
    try:
        lines.extend(_scores(recorded(recorded(record, "scores"), "held_out")))
    except (TypeError, ValueError, LookupError) as error:
        raise RecipeError("The recipe's scores are not what tune wrote; restore a copy of it.") from error
    if recipe.made_on is not None:
        ranges = [
            f"{_range(ends)} {label}"
            for label, ends in (
                ("parameters", recipe.made_on.parameters),
                ("examples a batch", recipe.made_on.batch_size),
                ("steps", recipe.made_on.horizon),
            )
            if ends is not None
        ]
        lines.append(f"Made on models and budgets of {', '.join(ranges)}.")
    for name, law in recipe.rate_law.items():
        lines.append(f"Rate of {name}: {law.formula(recipe.rate_at(optimizer=name))}{_measured(law)}.")
    for name, value in recipe.values.items():
        searched = recorded(recorded(record, "own_space"), name).get("searched")
        lines.append(f"The tasks' own {name}: {value}{f', of {searched}' if isinstance(searched, str) else ''}.")
    if recipe.num_validations is not None:
        lines.append(f"Its stopper expects {recipe.num_validations} validations, evenly spread over a run.")
    lines.append(_queries(recipe) if recipe.configuration.learner else f"Weight decay: {_decay(recipe)}.")
    versions = ", ".join(f"{name} {version}" for name, version in recorded(record, "libraries").items())
    creation = f"Created {record.get('created', 'nobody knows when')}{f' with {versions}' if versions else ''}."
    return [without_long_words(line) for line in (*lines, creation)]


def _scores(held_out: Mapping[str, Any]) -> list[str]:
    """What it scored on tasks that its search did not see, beside others, and what that is worth."""
    means, worth = recorded(held_out, "mean"), held_out.get("random_trials_worth")
    if not means:
        return []
    best_first = sorted(means.items(), key=lambda item: -item[1][0])
    shown = ", ".join(f"{name} {Interval(*ends_of(ends))}" for name, ends in best_first)
    over = held_out.get("intervals_over", "tasks")
    tasks = f"{held_out['tasks']} held-out tasks{'' if over == 'tasks' else f', with intervals over {over}'}"
    lines = [f"Test scores on {tasks} (0 the baseline, 1 long-tuned): {shown}."]
    if worth is not None:
        first_run = TrialsWorth(*ends_of(worth), POOL_SIZE)
        lines.append(f"Its first run on a new task is worth {first_run} random tuning trials of the task's own.")
    return lines


def _measured(law: RateLaw) -> str:
    """How far the law was measured, and how far best rates lay from it."""
    if not law.measured:
        return ", its exponents as small models of other kinds had them"
    axes = ", ".join(f"{low:,.0f} to {high:,.0f} {axis}" for axis, (low, high) in law.measured.items())
    spread = "" if law.spread is None else f"; best rates lay {law.spread:.2g} octaves from it"
    return f", measured over {axes}{spread}"


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _queries(recipe: "Recipe") -> str:
    """Whether a learner's predictions for queries depend on the other queries."""
    if recorded(recipe.provenance, "meta_training").get("transductive"):
        return "Transductive: batch norm goes by the queries it is asked about, which so see each other."
    return "Queries do not see each other: each is predicted as it would be alone."


def _decay(recipe: "Recipe") -> str:
    if recipe.configuration.no_decay == "1d":
        return "not for parameters of at most one dimension, such as biases and norms"
    return "for all parameters"
