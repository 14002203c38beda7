"""One self-contained HTML page about a study, and its plots as PNG files beside it."""

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from metaopt.files import replace_file
from metaopt.report.content import Content
from metaopt.report.tables import Table
from metaopt.report.task_charts import HEIGHT, WIDTH, height_of
from metaopt.tuning import TuneResult

if TYPE_CHECKING:
    from metaopt.report.drawings import Drawn

PAGE = "report.html"
#: Text longer than this may wrap in a table's cell.
LONG = 40
#: Characters that a phone shows side by side; a column costs two beside its own.
PHONE = 50


def write_report(result: TuneResult, directory: str | Path) -> Path:
    """Write `report.html` and, where matplotlib is installed, its plots as PNG files.

    Args:
        result: what `metaopt.tune` returned.
        directory: where to write; made where it is missing.

    Returns:
        Path of the page.

    Raises:
        OSError: it cannot be written.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    replace_file(path, render(result, _drawings(result, folder)).encode(errors="backslashreplace"))
    return path


def render(result: TuneResult, drawings: "Mapping[str, Drawn] | None") -> str:
    """The page's HTML.

    Args:
        result: of a study.
        drawings: its plots by name; None where they cannot be made, which the page then says.
    """
    page = environment().get_template("page.html.jinja")
    return page.render(content=Content.of(result, drawings), long=LONG, width=WIDTH, height=HEIGHT, height_of=height_of)


@cache
def environment() -> jinja2.Environment:
    """The templates of the page: everything that they are given is text, and escaped, unless it is `Markup`."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("metaopt.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["breakable"] = breakable
    made.tests["wide"] = is_wide
    return made


def breakable(text: str) -> Markup:
    """Escaped text that may wrap within long names."""
    return Markup(str(escape(text)).replace("_", "_<wbr>").replace("+", "+<wbr>"))


def is_wide(table: Table) -> bool:
    """Whether a table is wider than a phone, by its characters: for browsers that cannot tell by themselves."""
    columns = zip(table.columns, *table.rows, strict=True)
    return sum(2 + min(max(map(len, column)), LONG) for column in columns) > PHONE


def _drawings(result: TuneResult, folder: Path) -> "dict[str, Drawn] | None":
    if importlib.util.find_spec("matplotlib") is None:
        return None
    from metaopt.report.drawings import draw_all

    return draw_all(result, folder)
