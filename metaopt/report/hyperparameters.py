"""The hyperparameters of a recipe in two tables: those that differ from their defaults, and the rest."""

from collections.abc import Iterator
from dataclasses import replace

from metaopt.report.tables import Table


def by_change(table: Table) -> tuple[Table, Table]:
    """Split a `recipe_table`: rows whose value is not the default, and the others.

    A plugin that has nothing to set is among the first, or nobody would know that it is there.
    """
    rows = list(_labelled(table.rows))
    changed = [row for row in rows if _is_changed(row)]
    same = [row for row in rows if not _is_changed(row)]
    return replace(table, rows=_grouped(changed)), replace(table, title=f"{table.title}: defaults", rows=_grouped(same))


def _is_changed(row: tuple[str, ...]) -> bool:
    _, hyperparameter, value, default = row
    return value != default or not hyperparameter


def _labelled(rows: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, ...]]:
    """Rows that each say of what they are."""
    label = ""
    for first, *others in rows:
        label = first or label
        yield (label, *others)


def _grouped(rows: list[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Rows that say it once for those that follow each other."""
    before = [None, *(row[0] for row in rows)]
    return tuple(("" if row[0] == last else row[0], *row[1:]) for row, last in zip(rows, before, strict=False))
