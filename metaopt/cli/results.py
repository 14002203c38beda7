"""What a study leaves: in its folder, and on the screen."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.cli.output_folder import write_text
from metaopt.cli.spreadsheet import as_csv
from metaopt.errors import MetaOptError, named_line

if TYPE_CHECKING:
    from metaopt.tuning import TuneResult

DATABASE = "study.db"


def storage_in(folder: Path) -> str:
    """URL of the storage that `metaopt tune` uses unless it is told another."""
    from metaopt.tuning import sqlite_url

    return sqlite_url(folder / DATABASE)


def save(result: "TuneResult", folder: Path) -> None:
    """Write recipe, portfolio and evaluations, the recipe first: whatever fails later, it is there.

    Raises:
        MetaOptError: something cannot be written.
    """
    result.recipe.save(folder / "recipe")
    try:
        result.portfolio.save(folder / "portfolio")
        _remove_numbered(folder / "portfolio", above=len(result.portfolio))
    except OSError as error:
        raise MetaOptError(f"{folder / 'portfolio'} cannot be written: {error.strerror or error}.") from error
    write_text(folder / "evaluations.csv", as_csv(result.evaluations_dataframe()))


def write_page(result: "TuneResult", folder: Path) -> None:
    """Write the report.

    Raises:
        MetaOptError: it cannot be made or written; all else is as it was.
    """
    from metaopt.report import write_report

    try:
        write_report(result, folder)
    except Exception as error:  # a recipe must not be lost to a plot
        raise MetaOptError(
            f"The report could not be written: {named_line(error)}; recipe and ledger are not affected."
        ) from error


def print_result(result: "TuneResult") -> None:
    """The recipe, how it compares, what it cost, what it is worth."""
    from metaopt.cli.terminal import print_paragraph, print_table
    from metaopt.report import (
        caveats,
        comparison_table,
        cost_table,
        headline,
        measured,
        price,
        recipe_table,
        stopping,
        worst_table,
    )

    print()
    print_table(recipe_table(result.recipe))
    comparison = measured(result)
    if comparison is not None:
        print_table(comparison_table(result.comparison, result.tuning_comparison))
        print_table(worst_table(comparison))
        print_paragraph(comparison.summary())
    print_table(cost_table(result))
    sentences = [headline(result), price(result), stopping(result), *caveats(result)]
    for sentence in filter(None, sentences):
        print_paragraph(sentence)


def _remove_numbered(portfolio: Path, above: int) -> None:
    """Remove what an earlier, larger portfolio left behind."""
    for entry in portfolio.iterdir():
        if entry.name.isdecimal() and int(entry.name) > above and (entry / "recipe.json").is_file():
            shutil.rmtree(entry)
