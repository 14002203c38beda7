"""`metaopt replay`: early-stopping policies over recorded curves."""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from metaopt.cli.options import names
from metaopt.cli.output_folder import named, plot_file, writable_file, write_text
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.cli.spreadsheet import as_csv

if TYPE_CHECKING:
    from metaopt.report import Table
    from metaopt.tuning import Replay, Replayed


def replay(
    curves: Annotated[
        str,
        typer.Argument(
            help="CSV with a row a validation (candidate, task, step, value; maybe horizon), a folder or pattern of "
            "such files, or a ledger's URL, such as sqlite:///study.db."
        ),
    ],
    stoppers: Annotated[
        str | None, typer.Option(metavar="A,B", help="Stopper plugins; all that can be replayed if left out.")
    ] = None,
    mode: Annotated[str | None, typer.Option(help="min or max, for all tasks.")] = None,
    chance: Annotated[
        float | None, typer.Option(help="Chance level of the metric; the runs' median first value if left out.")
    ] = None,
    policies: Annotated[int, typer.Option(help="Random settings of each stopper, beside its defaults.")] = 100,
    trials: Annotated[
        int, typer.Option(min=0, help="Further settings of each stopper that Optuna tunes by the replay.")
    ] = 0,
    better: Annotated[float, typer.Option(help="Share of the runs to look at, the best first.")] = 1.0,
    regret: Annotated[float, typer.Option(help="Share of a run's gain that the chosen policy may give up.")] = 0.002,
    seed: Annotated[int, typer.Option(help="Of settings, and of which run is in which half.")] = 0,
    out: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Write a row a policy.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE.png", help="Draw regret against steps saved.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plugin: PluginFiles = None,
) -> None:
    """Play early-stopping policies over recorded curves: what each gives up, and what it saves."""
    load_plugin_files(plugin)
    named(curves, "CURVES")
    table = None if out is None else writable_file(out, "--out")
    drawing = None if plot is None else plot_file(plot)
    from metaopt.plugin import current_registry
    from metaopt.tuning import read_recorded
    from metaopt.tuning import replay as play

    result = play(
        read_recorded(curves, mode, chance),
        current_registry(),
        stoppers=names(stoppers),
        policies=policies,
        trials=trials,
        better=better,
        seed=seed,
    )
    if table is not None:
        write_text(table, as_csv(result.dataframe()))
    if drawing is not None:
        from metaopt.report import write_replay

        write_replay(result, drawing)
    best = result.best(regret)
    if as_json:
        print(json.dumps({**_counts(result), "front": list(map(_row, result.front())), "best": best and _whole(best)}))
        return
    from metaopt.cli.terminal import print_paragraph, print_table

    print_table(_table(result))
    print_paragraph(_summary(result, best, regret))


def _counts(result: "Replay") -> dict[str, float | int]:
    return {"learned": result.num_learned, "failed": result.num_failed, "clairvoyant": result.clairvoyant}


def _row(policy: "Replayed") -> dict[str, object]:
    return {
        "stopper": policy.stopper.name,
        "hparams": dict(policy.stopper.hparams),
        "regret": policy.regret,
        "saved": policy.saved,
        "given_up": None if math.isnan(policy.given_up) else policy.given_up,
    }


def _whole(best: "Replayed") -> dict[str, object]:
    """A row with what the stopper learned, from which `metaopt.create_stopper(..., theta=...)` makes it."""
    theta = best.stopper.to_json().get("theta")
    return _row(best) if theta is None else {**_row(best), "theta": theta}


def _table(result: "Replay") -> "Table":
    from metaopt.report import Table

    rows = tuple(
        (_named(policy), f"{policy.regret:.2%}", f"{policy.saved:.1%}", _share(policy.given_up))
        for policy in result.front()
    )
    return Table(
        "policies that no other one beats",
        ("policy", "given up", "steps saved", "failed runs stopped at"),
        rows,
        note="Chosen on one half of the runs, measured on the other.",
    )


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"


def _named(policy: "Replayed") -> str:
    from metaopt.report import number

    settings = ", ".join(f"{name}={number(value)}" for name, value in policy.stopper.hparams.items())
    return f"{policy.stopper.name}({settings})"


def _summary(result: "Replay", best: "Replayed | None", regret: float) -> str:
    text = (
        f"{result.num_learned:,} runs that learned something and {result.num_failed:,} that did not; a clairvoyant who "
        f"stops each at its best value saves {result.clairvoyant:.1%} of the steps."
    )
    if best is None:
        return f"{text} No policy gave up at most {regret:.2%} on the runs it was chosen by."
    return (
        f"{text} At up to {regret:.2%} on the runs it was chosen by, {_named(best)} saves most: on the others "
        f"{best.saved:.1%}, giving up {best.regret:.2%}."
    )
