"""`metaopt show`: a recipe for people, or as plain PyTorch; a portfolio; or what a corpus would be trained on."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metaopt.cli.output_folder import named
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.errors import InputError, RecipeError, quoted, without_long_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from metaopt.contracts import RateLaw
    from metaopt.recipe import Recipe


def show(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|CORPUS",
            help="A folder of a recipe, a portfolio or a corpus, or a name (recipe:NAME, corpus:NAME if both).",
        ),
    ],
    code: Annotated[bool, typer.Option("--code", help="Print plain PyTorch lines that need no metaopt.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Follow its rule over the steps of a task: rates, directions, gates.")
    ] = False,
    corpus: Annotated[
        str | None, typer.Option(help="For --explain: a corpus, if not the one that the recipe was made on.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="For --explain: a PNG file to draw.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES", help="Its rate for a training: parameters=124e6,batch_size=512,total_steps=20000."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a corpus: print one JSON document.")] = False,
    plugin: PluginFiles = None,
) -> None:
    """Show a recipe (plugins, hyperparameters, where it comes from), or what a corpus would be trained on."""
    from metaopt.recipe import load_recipe

    load_plugin_files(plugin)
    kind, name = ("recipe", recipe) if code or explain or at is not None else kind_of(recipe)
    if kind == "corpus":
        from metaopt.cli.commands.show_corpus import show_corpus

        show_corpus(name, as_json=as_json)
        return
    if as_json:
        raise InputError(f"--json shows a corpus, and {quoted(recipe)} is a {kind}; leave it out.")
    if kind == "portfolio":
        _show_portfolio(name)
        return
    loaded = load_recipe(name)
    if code:
        print(loaded.code(), end="")
        return
    if at is not None:
        from metaopt.cli.commands.show_at import rates_at

        print("\n".join(rates_at(loaded, at)))
        return
    if explain:
        _explain(loaded, corpus, None if out is None else named(out, "--out"))
        return
    _print_recipe(loaded)


def kind_of(source: str) -> tuple[str, str]:
    """Whether a source is a recipe, a portfolio or a corpus, and its name without the word that says so.

    A folder is what lies in it; one that `metaopt tune` wrote is its recipe. A name is a shipped recipe, or a
    registered corpus.

    Raises:
        InputError: a name is both.
    """
    from metaopt.files import is_file, is_folder
    from metaopt.plugin import CorpusSpec, current_registry
    from metaopt.recipe import DOCUMENT, shipped_recipes

    said, colon, name = source.partition(":")
    if colon and said in ("recipe", "portfolio", "corpus"):
        return said, name
    is_recipe, is_corpus = source in shipped_recipes(), source in current_registry().names(CorpusSpec)
    if is_recipe and is_corpus:
        raise InputError(f"{quoted(source)} is a recipe and a corpus; write recipe:{source} or corpus:{source}.")
    if is_recipe or is_file(Path(source) / DOCUMENT) or source.endswith(DOCUMENT):
        return "recipe", source
    if is_file(Path(source) / "recipe" / DOCUMENT):  # what tune wrote
        return "recipe", str(Path(source) / "recipe")
    if is_corpus:
        return "corpus", source
    if is_file(Path(source) / "portfolio.json"):
        return "portfolio", source
    return ("corpus" if is_folder(source) or colon else "recipe"), source


def _show_portfolio(name: str) -> None:
    from metaopt.tuning import load_portfolio

    for recipe in load_portfolio(name).recipes:
        _print_recipe(recipe)


def _print_recipe(recipe: "Recipe") -> None:
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.report import recipe_table

    print_table(recipe_table(recipe))
    for line in _origin(recipe):
        print_paragraph(line)


def _explain(recipe: "Recipe", source: str | None, out: "Path | None") -> None:
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.contracts import FewShotTask, Task
    from metaopt.plugin import current_registry
    from metaopt.recipe import recorded
    from metaopt.report import draw_explained, explain, explained_table
    from metaopt.tasks import load_corpus

    corpus = recorded(recipe.provenance, "corpus")
    made_on = (known for known in (corpus.get("source"), corpus.get("name")) if isinstance(known, str))
    looked_at = source or next(filter(None, made_on), None)
    if looked_at is None:
        raise InputError("This recipe does not say what it was made on; give --corpus, a task of which is looked at.")
    tasks = [task for task in load_corpus(looked_at) if isinstance(task, Task | FewShotTask)]
    if not tasks:
        raise InputError(f"The corpus {quoted(looked_at)} has black boxes alone, whose gradients nobody sees.")
    rows = explain(recipe, tasks[0], current_registry())
    steps_of = "test episodes" if isinstance(tasks[0], FewShotTask) else "trainings"
    print_table(explained_table(rows, f"{steps_of} of {tasks[0].name!r}"))
    if out is not None:
        draw_explained(rows, out)
        print_paragraph(f"Drawn to {out}.")


def _origin(recipe: "Recipe") -> list[str]:
    """Where the recipe comes from, a line each for what is known."""
    from metaopt.recipe import recorded

    record = recipe.provenance
    lines = []
    if corpus := recorded(record, "corpus"):
        tasks = corpus.get("tasks")
        count = len(tasks) if isinstance(tasks, list) else 0
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
    if recipe.num_validations is not None:
        lines.append(f"Its stopper expects {recipe.num_validations} validations, evenly spread over a run.")
    lines.append(f"Weight decay: {_decay(recipe)}.")
    versions = ", ".join(f"{name} {version}" for name, version in recorded(record, "libraries").items())
    creation = f"Created {record.get('created', 'nobody knows when')}{f' with {versions}' if versions else ''}."
    return [without_long_words(line) for line in (*lines, creation)]


def _scores(held_out: "Mapping[str, Any]") -> list[str]:
    """What it scored on tasks that its search did not see, beside others, and what that is worth."""
    from metaopt.recipe import recorded
    from metaopt.tuning import POOL_SIZE, Interval, TrialsWorth

    means, worth = recorded(held_out, "mean"), held_out.get("random_trials_worth")
    if not means:
        return []
    best_first = sorted(means.items(), key=lambda item: -item[1][0])
    shown = ", ".join(f"{name} {Interval(*_numbers(ends))}" for name, ends in best_first)
    over = held_out.get("intervals_over", "tasks")
    tasks = f"{held_out['tasks']} held-out tasks{'' if over == 'tasks' else f', with intervals over {over}'}"
    lines = [f"Test scores on {tasks} (0 the baseline, 1 long-tuned): {shown}."]
    if worth is not None:
        first_run = TrialsWorth(*_numbers(worth), POOL_SIZE)
        lines.append(f"Its first run on a new task is worth {first_run} random tuning trials of the task's own.")
    return lines


def _numbers(ends: "Sequence[float | None]") -> tuple[float, float, float]:
    value, low, high = (math.nan if end is None else end for end in ends)
    return value, low, high


def _measured(law: "RateLaw") -> str:
    """How far the law was measured, and how far best rates lay from it."""
    if not law.measured:
        return ", its exponents as small models of other kinds had them"
    axes = ", ".join(f"{low:,.0f} to {high:,.0f} {axis}" for axis, (low, high) in law.measured.items())
    spread = "" if law.spread is None else f"; best rates lay {law.spread:.2g} octaves from it"
    return f", measured over {axes}{spread}"


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _decay(recipe: "Recipe") -> str:
    if recipe.configuration.no_decay == "1d":
        return "not for parameters of at most one dimension, such as biases and norms"
    return "for all parameters"
