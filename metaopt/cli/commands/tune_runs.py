"""`metaopt tune RUNS.csv`: a portfolio from runs that somebody recorded elsewhere."""

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
_OPTIONS = frozenset({"corpus", "out", "portfolio", "baseline", "mode"})


def is_runs_file(source: str) -> bool:
    """Whether what was given for a corpus is a file of runs: a corpus is a folder."""
    return source.lower().endswith((".csv", ".csv.gz")) and is_file(source)


def tune_runs(context: typer.Context, path: str, out: str, size: int, baseline: str | None, mode: str | None) -> None:
    """Choose, print and write."""
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.tuning import portfolio_of_runs, read_runs

    refuse(
        context, set(context.params) - _OPTIONS, f"means nothing for a file of runs, where nothing is trained: {path}"
    )
    folder = writable(out)
    runs = read_runs(path, mode)
    if runs.left_out:
        named = ", ".join(runs.left_out[:3]) + (", …" if len(runs.left_out) > 3 else "")
        print(f"Left out, for not all tasks have runs of them: {len(runs.left_out):,} ({named}).", file=sys.stderr)
    found = portfolio_of_runs(runs, size, baseline)
    write_text(folder / "portfolio.csv", as_csv(found.dataframe()))
    write_text(folder / "portfolio.json", json.dumps(found.to_json(), indent=2, ensure_ascii=False) + "\n")
    print()
    print_table(_table(found))
    print_paragraph(found.summary())
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


def _table(found: "RunsPortfolio") -> "Table":
    from metaopt.report import Table

    rows = [
        (
            str(place),
            one.candidate,
            f"{one.score:.2f}",
            f"{one.portfolio_score:.2f}",
            str(one.held_out)
            if one.held_out.low != one.held_out.low
            else f"{one.held_out.value:.2f} [{one.held_out.low:.2f}, {one.held_out.high:.2f}]",
            str(one.worth),
        )
        for place, one in enumerate(found.members, start=1)
    ]
    zero = f"candidate {found.baseline!r}" if found.baseline else "the task's median candidate"
    note = (
        f"Scores: 0 is {zero}, 1 the task's best candidate. Score and best so far are areas under the curves; held out "
        "is the final value of the best of so many, chosen on other tasks, trials the random ones that reach as far."
    )
    columns = ("place", "candidate", "score", "best so far", "held out", "trials")
    return Table("Portfolio", columns, tuple(rows), num_labels=2, note=note)
