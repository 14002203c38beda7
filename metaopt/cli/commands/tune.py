"""`metaopt tune`: one recipe for a family of tasks, with an account of what it bought."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from metaopt.cli.commands.tune_runs import is_runs_file, refuse, tune_runs
from metaopt.cli.options import Address, Executor, StudyName, Workers, names
from metaopt.cli.output_folder import writable
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.cli.results import document, print_result, save, storage_in, write_page
from metaopt.cli.watching import watching
from metaopt.errors import InputError, TerminatedError, quoted

if TYPE_CHECKING:
    from metaopt.inner import Compile


def tune(
    context: typer.Context,
    corpus: Annotated[
        str,
        typer.Argument(
            help="A registered name, a folder of CSVs, or package.module:attribute; or a file of runs to choose from."
        ),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for recipe, portfolio, report and evaluations.")],
    n_trials: Annotated[int, typer.Option(metavar="N", help="Candidates to judge; more continues the study.")] = 100,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after this long, with the best so far.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Database of ledger and study.  [default: sqlite:///DIR/study.db]")
    ] = None,
    study_name: StudyName = "metaopt",
    portfolio: Annotated[int, typer.Option(metavar="K", help="Complementary recipes to name.")] = 5,
    optimizers: Annotated[str | None, typer.Option(metavar="A,B", help="Choose from these.")] = None,
    learners: Annotated[
        str | None, typer.Option(metavar="A,B", help="On few-shot tasks: choose from these, too.")
    ] = None,
    controllers: Annotated[str | None, typer.Option(metavar="A,B", help="Choose from these.")] = None,
    wrappers: Annotated[str | None, typer.Option(metavar="A,B", help="Choose from these; '' for none.")] = None,
    weightings: Annotated[
        str | None, typer.Option(metavar="A,B", help="On tasks that share a trunk: choose from these; '' for none.")
    ] = None,
    surgeries: Annotated[
        str | None, typer.Option(metavar="A,B", help="On tasks that share a trunk: choose from these; '' for none.")
    ] = None,
    stoppers: Annotated[str | None, typer.Option(metavar="A,B", help="Choose from these.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PLUGIN.HPARAM=LOW..HIGH", help="Narrow or fix (=VALUE). May be repeated."),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Whose runs score 0.  [default: AdamW at 1e-3]")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option(metavar="FILE", help="Judge these first: JSON, or a recipe's or portfolio's folder.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(metavar="min|max", help="Which values of a file of runs are better.  [default: min]")
    ] = None,
    held_out: Annotated[
        str | None, typer.Option(metavar="FAMILY,…", help="Families that only the comparison sees.")
    ] = None,
    folds: Annotated[int | None, typer.Option(metavar="K", help="Cross-validate over tasks in K parts.")] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Runs of each finalist and the baseline on a black box.")] = 3,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    compile: Annotated[
        str, typer.Option(metavar="auto|on|off", help="Compile what trains; auto: where counts say it repays itself.")
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="D", help="Where to train.")] = "cpu",
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where it shall train: lightning, transformers, accelerate, skorch, …"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plugin: PluginFiles = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the sampler.")] = 0,
) -> None:
    """Tune optimizer, learning-rate controller and early stopping together over a family of tasks."""
    if device != "cpu":
        raise InputError(f"--device must be cpu in this version, got {quoted(device)}.")
    if is_runs_file(corpus):
        return tune_runs(context, corpus, out)
    refuse(context, {"mode"}, "is for files of runs alone; a task says it itself")
    folder = writable(out)
    load_plugin_files(plugin)
    import metaopt

    try:
        with watching() as watch:
            result = metaopt.tune(
                corpus,
                n_trials=n_trials,
                timeout=timeout,
                storage=storage_in(folder) if storage is None else storage,
                study_name=study_name,
                portfolio=portfolio,
                optimizers=names(optimizers),
                learners=names(learners),
                controllers=names(controllers),
                wrappers=names(wrappers),
                weightings=names(weightings),
                surgeries=names(surgeries),
                stoppers=names(stoppers),
                settings=settings or (),
                baseline=baseline,
                start_from=start_from,
                held_out=names(held_out) or (),
                folds=folds,
                seeds=seeds,
                workers=workers,
                executor=executor,
                address=address,
                compile=cast("Compile", compile),
                host=host,
                seed=seed,
                announce=watch.say,
                progress=watch.show,
            )
    except (KeyboardInterrupt, TerminatedError):
        print("What has finished is stored; the same command continues where this one stopped.", file=sys.stderr)
        raise
    save(result, folder)
    write_page(result, folder)
    if as_json:
        print(json.dumps(document(result), indent=2))
        return
    print_result(result, f"Written to {folder}: recipe/, portfolio/, evaluations.csv, report.html.")
