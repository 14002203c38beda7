"""`metaopt plugins`: what is installed, where it came from, and what is broken."""

import json
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from metaopt.plugin import Registry

_COLUMNS = ("kind", "name", "version", "distribution", "summary")


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object a plugin or fault.")] = False,
) -> None:
    """List the plugins: name, kind, version, distribution, status."""
    with warnings.catch_warnings():
        # The table says what is broken; a warning besides would say it twice.
        warnings.simplefilter("ignore", RuntimeWarning)
        rows = Registry.discover().rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    working = [row for row in rows if row["status"] == "ok"]
    print("\n".join(table(_COLUMNS, [[_cell(row, column) for column in _COLUMNS] for row in working])))
    for row in rows:
        if row["status"] != "ok":
            print(_fault(row), file=sys.stderr)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of left-aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (header, *rows)]
    return ["  ".join(row).rstrip() for row in padded]


def _cell(row: dict[str, Any], column: str) -> str:
    version = row["distribution_version"] if column == "distribution" else ""
    return f"{row[column]} {version}".rstrip()


def _fault(row: dict[str, Any]) -> str:
    what = f"{row['kind']} {row['name']!r} of " if row["name"] else ""
    return f"{what}{row['distribution']} {row['distribution_version']} ({row['entry_point']}) — {row['status']}"
