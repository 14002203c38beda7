"""Writes tables in all dialects, and compares what metaopt reads with what each column means.

    python -m benchmarks.tables.fuzz [--tables 1000] [--seed 0] [--json]

| outcome | meaning |
|---|---|
| agrees | every value of the column is read as what it means |
| unsure | the column can be read in two ways, and `metaopt show` asks for the owner's word |
| wrong | it is read as something else, silently |

A table that no pasted `corpus.toml` makes train is stuck; an exception other than metaopt's own sentence is raw. The
exit code is 0 where nothing is wrong, stuck or raw.
"""

import argparse
import json
import random
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables.dialects import DATE, DROPPED, NUMBER, Column, Table, make_table
from metaopt.tasks.tables.columns.features import Features
from metaopt.tasks.tables.csv_folder import read_table
from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.proposals import applied
from metaopt.tasks.tables.showing.table_report import TableReport, report_of
from metaopt.tasks.tables.table import check_table

OUTCOMES = ("agrees", "unsure", "wrong")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    counts, faults = run(options.tables, options.seed)
    print(f"{options.tables:,} tables, seed {options.seed}")
    print(f"{'column':30}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES))
    for kind, counter in [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]:
        print(f"{kind:30}" + "".join(f"{counter[outcome]:9}" for outcome in OUTCOMES))
    raw, stuck = (sum(fault.startswith(kind) for fault in faults) for kind in ("raw", "stuck"))
    print(f"tracebacks: {raw}; tables that no corpus.toml makes train: {stuck}")
    for fault in faults[:20]:
        print(fault, file=sys.stderr)
    if options.json:
        print(json.dumps({"counts": counts, "faults": faults}))
    sys.exit(bool(faults))


def run(num_tables: int, seed: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Outcomes by how columns are written, and what went wrong.

    Args:
        num_tables: how many are written.
        seed: of all of them.
    """
    counts: dict[str, Counter[str]] = {}
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dialects") as home:
        path = Path(home) / "t.csv"
        for number in range(num_tables):
            table = make_table(random.Random(f"{seed} {number}"))
            path.write_bytes(table.content)
            try:
                faults += [f"{fault} (table {number})" for fault in _compared(table, path, counts)]
            except Exception:
                faults.append(f"raw, table {number}: {traceback.format_exc(limit=-4)}")
    return counts, faults


def _compared(table: Table, path: Path, counts: dict[str, Counter[str]]) -> list[str]:
    report = report_of(path, "t", TableSettings(num_steps=10))
    if not report.trains:
        return [f"stuck: {' '.join(report.refusals)[:300]}"]
    settings = applied(TableSettings(), report.settings)
    file = read_table(path, settings)
    checked = check_table(file.frame, settings, "t")
    faults = []
    if file.separator != table.separator:
        faults.append(f"wrong separator {file.separator!r} for {table.separator!r}")
    for column in table.columns:
        outcome = _outcome(column, report, checked, settings)
        counts.setdefault(column.dialect, Counter())[outcome] += 1
        if outcome == "wrong":
            became = report.columns.get(column.name)
            faults.append(f"wrong: {column.dialect}, {column.kind} became {became}: {column.cells[:6]}")
    return faults


def _outcome(column: Column, report: TableReport, checked: CheckedTable, settings: TableSettings) -> str:
    if any(f"{column.name!r}" in choice for choice in report.choices):
        return "unsure"
    if column.name == checked.target_name:
        return "agrees" if _is_target(column, checked) else "wrong"
    if column.kind == DROPPED or column.name in settings.drop:
        return "agrees" if (column.kind == DROPPED) == (column.name in settings.drop) else "wrong"
    return "agrees" if _is_read(column, checked.features) else "wrong"


def _is_target(column: Column, checked: CheckedTable) -> bool:
    if column.kind == NUMBER:
        return checked.target.kind == "regression" and _equal(checked.target.values, column.values)
    return [checked.target.names[code] for code in checked.target.values] == column.values


def _is_read(column: Column, features: Features) -> bool:
    if column.kind == NUMBER:
        return column.name in features.numbers and _equal(features.frame[column.name].to_numpy(), column.values)
    if column.kind == DATE:
        days = f"{column.name}: days"
        moments = pd.Series(pd.to_datetime(column.values), dtype="datetime64[s]")
        truth = (moments - pd.Timestamp(0)).dt.total_seconds() / 86_400
        return days in features.numbers and _equal(features.frame[days].to_numpy(), truth.tolist())
    if column.name not in features.categories:
        return False
    read = [None if value != value else value for value in features.frame[column.name]]
    return read == column.values


def _equal(read: Any, truth: list[Any]) -> bool:
    wanted = np.array([np.nan if value is None else value for value in truth], dtype=np.float64)
    return bool(np.allclose(read, wanted, rtol=1e-9, atol=1e-9, equal_nan=True))


if __name__ == "__main__":
    main()
