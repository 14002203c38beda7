"""`metaopt show`: a recipe for people, or as plain PyTorch."""

from typing import TYPE_CHECKING, Annotated

import typer

from metaopt.cli.output_folder import named
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.errors import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from metaopt.recipe import Recipe


def show(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's folder, the name of a shipped one, or hf://user/name.")
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
    plugin: PluginFiles = None,
) -> None:
    """Show a recipe: plugins, hyperparameters, where it comes from."""
    from metaopt.recipe import load_recipe

    load_plugin_files(plugin)
    loaded = load_recipe(recipe)
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
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.recipe import origin
    from metaopt.report import recipe_table

    print_table(recipe_table(loaded))
    for line in origin(loaded):
        print_paragraph(line)


def _explain(recipe: "Recipe", source: str | None, out: "Path | None") -> None:
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.contracts import FewShotTask, Task
    from metaopt.errors import InputError
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
