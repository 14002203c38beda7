"""What a study bought, as tables, plots and one HTML page."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.report.drawings import write_replay
    from metaopt.report.explain import draw_explained, explain, explained_table
    from metaopt.report.page import write_report
    from metaopt.report.stopping import stopping
    from metaopt.report.tables import Table, number, recipe_table

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "write_replay": "metaopt.report.drawings",
    "draw_explained": "metaopt.report.explain",
    "explain": "metaopt.report.explain",
    "explained_table": "metaopt.report.explain",
    "write_report": "metaopt.report.page",
    "stopping": "metaopt.report.stopping",
    "Table": "metaopt.report.tables",
    "number": "metaopt.report.tables",
    "recipe_table": "metaopt.report.tables",
}

__all__ = [
    "Table",
    "draw_explained",
    "explain",
    "explained_table",
    "number",
    "recipe_table",
    "stopping",
    "write_replay",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
