"""What a study bought, as tables, plots and one HTML page."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.report.canvas import write_replay, write_sweeps
    from metaopt.report.compared import compared_table, draw_compared, explain_learner
    from metaopt.report.explanation import draw_explained, explain, explained_table
    from metaopt.report.headlines import caveats, headline, measured, price
    from metaopt.report.page import write_report
    from metaopt.report.tables import (
        Table,
        comparison_table,
        cost_table,
        number,
        recipe_table,
        scaled_table,
        stopping,
        worst_table,
    )

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "compared_table": "metaopt.report.compared",
    "draw_compared": "metaopt.report.compared",
    "explain_learner": "metaopt.report.compared",
    "write_replay": "metaopt.report.canvas",
    "write_sweeps": "metaopt.report.canvas",
    "draw_explained": "metaopt.report.explanation",
    "explain": "metaopt.report.explanation",
    "explained_table": "metaopt.report.explanation",
    "caveats": "metaopt.report.headlines",
    "headline": "metaopt.report.headlines",
    "measured": "metaopt.report.headlines",
    "price": "metaopt.report.headlines",
    "write_report": "metaopt.report.page",
    "Table": "metaopt.report.tables",
    "comparison_table": "metaopt.report.tables",
    "cost_table": "metaopt.report.tables",
    "number": "metaopt.report.tables",
    "recipe_table": "metaopt.report.tables",
    "scaled_table": "metaopt.report.tables",
    "stopping": "metaopt.report.tables",
    "worst_table": "metaopt.report.tables",
}

__all__ = [
    "Table",
    "caveats",
    "compared_table",
    "comparison_table",
    "cost_table",
    "draw_compared",
    "draw_explained",
    "explain",
    "explain_learner",
    "explained_table",
    "headline",
    "measured",
    "number",
    "price",
    "recipe_table",
    "scaled_table",
    "stopping",
    "worst_table",
    "write_replay",
    "write_report",
    "write_sweeps",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
