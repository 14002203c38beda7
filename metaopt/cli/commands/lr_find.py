"""`metaopt lr-find`: rates side by side on the tasks of a corpus."""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from metaopt.cli.output_folder import plot_file
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.errors import InputError, quoted

if TYPE_CHECKING:
    from metaopt.report import Table
    from metaopt.tuning import RateSweep


def lr_find(
    corpus: Annotated[str, typer.Argument(help="A registered name, a folder of CSVs, or package.module:attribute.")],
    recipe: Annotated[str, typer.Option(metavar="RECIPE", help="A recipe's folder, or a shipped one.")] = "default",
    task: Annotated[str | None, typer.Option(metavar="NAME", help="This task alone.")] = None,
    octaves: Annotated[int, typer.Option(metavar="N", help="From 2^-N to 2^N times the recipe's rate.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each rate.")] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each; those of the task if left out.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE.png", help="Draw loss against rate.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plugin: PluginFiles = None,
) -> None:
    """Train each task at several rates: which are best within their noise, and where training diverges."""
    load_plugin_files(plugin)
    drawing = None if plot is None else plot_file(plot)
    import metaopt
    from metaopt.contracts import to_stderr
    from metaopt.plugin import current_registry
    from metaopt.tuning import sweep_task

    tasks = list(metaopt.load_corpus(corpus))
    if task is not None:
        known = [own.name for own in tasks]
        tasks = [own for own in tasks if own.name == task]
        if not tasks:
            raise InputError(f"There is no task {quoted(task)} in this corpus; it has {', '.join(known)[:200]}.")
    loaded, registry, sweeps = metaopt.load_recipe(recipe), current_registry(), {}
    for own in tasks:
        sweep = sweep_task(
            own, loaded, registry=registry, octaves=octaves, num_seeds=seeds, num_steps=steps, announce=to_stderr
        )
        sweeps[own.name] = sweep
        if not as_json:
            _show(own.name, sweep)
    if drawing is not None:
        from metaopt.report import write_sweeps

        write_sweeps(sweeps, drawing)
    if as_json:
        print(json.dumps({name: _document(sweep) for name, sweep in sweeps.items()}, indent=2))


def _show(name: str, sweep: "RateSweep") -> None:
    from metaopt.cli.terminal import print_paragraph, print_table

    print_table(_table(name, sweep))
    print_paragraph(sweep.summary())


def _table(name: str, sweep: "RateSweep") -> "Table":
    from metaopt.report import Table

    good = sweep.as_good
    rows = tuple(
        (
            f"{row.rate:.3g}",
            f"{row.loss:.4g}" if math.isfinite(row.loss) else "diverged",
            "–" if math.isnan(row.error) else f"{row.error:.2g}",
            "as good as the best" if row.rate in good else "",
        )
        for row in sweep.to_frame().itertuples()
    )
    return Table(f"{name}: {sweep.num_steps:,} steps a training", ("rate", "loss", "± error", ""), rows)


def _document(sweep: "RateSweep") -> dict[str, object]:
    losses = [[loss if math.isfinite(loss) else None for loss in own] for own in sweep.losses]
    numbers = {"best": sweep.best, "suggestion": sweep.suggestion, "law": sweep.law_rate}
    steps = {"num_steps": sweep.num_steps, "total_steps": sweep.total_steps}
    diverges = {"diverges_from": sweep.diverges_from}
    return {"rates": sweep.rates, "losses": losses, **numbers, **diverges, **steps, "summary": sweep.summary()}
