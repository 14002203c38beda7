"""`metaopt tune RUNS.csv`: a portfolio from runs that were recorded elsewhere."""

import json
import sys
from typing import TYPE_CHECKING

import typer

from metaopt.cli.output_folder import writable, write_text
from metaopt.cli.spreadsheet import as_csv
from metaopt.errors import InputError
from metaopt.files import is_file

if TYPE_CHECKING:
    from metaopt.report import Table
    from metaopt.tuning import RunsPortfolio

#: What of `metaopt tune` has a meaning where nothing is trained.
_OPTIONS = frozenset({"corpus", "out", "portfolio", "baseline", "mode", "folds", "workers", "executor", "address"})


def is_runs_file(source: str) -> bool:
    """Whether what was given for a corpus is a file of runs: a corpus is a folder."""
    return source.lower().endswith((".csv", ".csv.gz")) and is_file(source)


def tune_runs(context: typer.Context, path: str, out: str) -> None:
    """Choose, print and write."""
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.tuning import portfolio_of_runs, read_runs

    refuse(
        context, set(context.params) - _OPTIONS, f"means nothing for a file of runs, where nothing is trained: {path}"
    )
    given = context.params
    folder = writable(out)
    runs = read_runs(path, given["mode"])
    if runs.left_out:
        named = ", ".join(runs.left_out[:3]) + (", …" if len(runs.left_out) > 3 else "")
        print(f"Left out, for not all tasks have runs of them: {len(runs.left_out):,} ({named}).", file=sys.stderr)
    where = {name: given[name] for name in ("folds", "workers", "executor", "address")}
    chosen = portfolio_of_runs(runs, given["portfolio"], given["baseline"], **where)
    write_text(folder / "portfolio.csv", as_csv(chosen.dataframe()))
    write_text(folder / "portfolio.json", json.dumps(chosen.to_json(), indent=2, ensure_ascii=False) + "\n")
    print()
    print_table(_table(chosen))
    print_paragraph(chosen.summary())
    print(f"Written to {folder}: portfolio.csv, portfolio.json.")


def refuse(context: typer.Context, names: set[str], why: str) -> None:
    """Say which of these options was given and cannot be.

    Raises:
        InputError: one was.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise InputError(f"{parameter.opts[0]} {why}.")


def _table(portfolio: "RunsPortfolio") -> "Table":
    from metaopt.report import Table

    rows = [
        (
            str(place),
            member.candidate,
            f"{member.score:.2f}",
            f"{member.portfolio_score:.2f}",
            str(member.held_out)
            if member.held_out.low != member.held_out.low
            else f"{member.held_out.value:.2f} [{member.held_out.low:.2f}, {member.held_out.high:.2f}]",
            str(member.worth),
        )
        for place, member in enumerate(portfolio.members, start=1)
    ]
    zero = f"candidate {portfolio.baseline!r}" if portfolio.baseline else "the task's median candidate"
    note = (
        f"Scores: 0 is {zero}, 1 the task's best candidate. Score and best so far are areas under the curves; held out "
        "is the final value of the best of so many, chosen on other tasks, trials the random ones that reach as far."
    )
    columns = ("place", "candidate", "score", "best so far", "held out", "trials")
    return Table("Portfolio", columns, tuple(rows), num_labels=2, note=note)
