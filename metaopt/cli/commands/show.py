"""`metaopt show`: a recipe for people, or as plain PyTorch; a portfolio; or what a corpus would be trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metaopt.cli.output_folder import named
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.errors import InputError, quoted

if TYPE_CHECKING:
    from metaopt.recipe import Recipe


def show(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|CORPUS",
            help="A folder of a recipe, portfolio or corpus, a name (recipe:NAME, corpus:NAME if both), hf://user/name.",
        ),
    ],
    code: Annotated[bool, typer.Option("--code", help="Print plain PyTorch lines that need no metaopt.")] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Its rates, directions and gates over a task's steps; what a learner compares.",
        ),
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
    if not recipe.strip():
        raise InputError("A recipe or corpus without a name is none; write . for the current folder.")
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

    if source.startswith("hf://"):
        return "recipe", source
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
    from metaopt.recipe import origin
    from metaopt.report import recipe_table

    print_table(recipe_table(recipe))
    for line in origin(recipe):
        print_paragraph(line)


def _explain(recipe: "Recipe", source: str | None, out: "Path | None") -> None:
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.contracts import FewShotTask, Task
    from metaopt.plugin import current_registry
    from metaopt.recipe import recorded
    from metaopt.report import (
        compared_table,
        draw_compared,
        draw_explained,
        explain,
        explain_learner,
        explained_table,
    )
    from metaopt.tasks import load_corpus

    corpus = recorded(recipe.provenance, "corpus")
    made_on = (known for known in (corpus.get("source"), corpus.get("name")) if isinstance(known, str))
    looked_at = source or next(filter(None, made_on), None)
    if looked_at is None:
        raise InputError("This recipe does not say what it was made on; give --corpus, a task of which is looked at.")
    tasks = [task for task in load_corpus(looked_at) if isinstance(task, Task | FewShotTask)]
    if not tasks:
        raise InputError(f"The corpus {quoted(looked_at)} has black boxes alone, whose gradients nobody sees.")
    if recipe.configuration.learner:
        few = [task for task in tasks if isinstance(task, FewShotTask)]
        compared = explain_learner(recipe, (few or tasks)[0], current_registry())
        print_table(compared_table(compared, (few or tasks)[0].name))
        if out is not None:
            draw_compared(compared, out)
            print_paragraph(f"Drawn to {out}.")
        return
    rows = explain(recipe, tasks[0], current_registry())
    steps_of = "test episodes" if isinstance(tasks[0], FewShotTask) else "trainings"
    print_table(explained_table(rows, f"{steps_of} of {tasks[0].name!r}"))
    if out is not None:
        draw_explained(rows, out)
        print_paragraph(f"Drawn to {out}.")
