"""What a study leaves: in its folder, and on the screen."""

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def print_result(result: "TuneResult", written: str) -> None:
    """The recipe, how it compares, what was written; then the verdict, what it is worth, and what it cost.

    Args:
        result: of a study.
        written: what lies where.
    """
    from metaopt.cli.terminal import print_line, print_paragraph, print_table
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
    for sentence in filter(None, [stopping(result), *caveats(result)]):
        print_paragraph(sentence)
    print(f"{written}\n")
    print_line(str(result.verdict), alarming=result.verdict.is_bad)
    print_line(headline(result))
    print_line(price(result))


def document(result: "TuneResult") -> dict[str, Any]:
    """The result in plain JSON."""
    from metaopt.report import caveats, headline, price

    return {
        "verdict": result.verdict.to_json(),
        "worth": headline(result),
        "price": price(result),
        "caveats": caveats(result),
        "recipe": result.recipe.to_json(),
        "cost": dataclasses.asdict(result.cost),
        "interrupted": result.interrupted,
    }


def _remove_numbered(portfolio: Path, above: int) -> None:
    """Remove what an earlier, larger portfolio left behind."""
    for entry in portfolio.iterdir():
        if entry.name.isdecimal() and int(entry.name) > above and (entry / "recipe.json").is_file():
            shutil.rmtree(entry)
