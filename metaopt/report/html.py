"""Pieces of HTML: escaped text, tables, figures."""

from collections.abc import Iterable, Mapping
from html import escape

from metaopt.report.tables import Table

#: Text longer than this may wrap in a table's cell.
_LONG = 40


def paragraphs(texts: Iterable[str], css: str = "") -> str:
    """One paragraph a text."""
    attribute = f' class="{css}"' if css else ""
    return "\n".join(f"<p{attribute}>{escape(text)}</p>" for text in texts)


def table(content: Table, emphasised: str = "") -> str:
    """A table that scrolls inside its own container; the row that begins with `emphasised` stands out."""
    head = "".join(
        f"<th scope='col'{_label(position, content)}>{escape(column)}</th>"
        for position, column in enumerate(content.columns)
    )
    rows = "\n".join(_row(row, content, emphasised) for row in content.rows)
    note = paragraphs([content.note], "note") if content.note else ""
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(content.title)}">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n{note}"
    )


def facts(values: Mapping[str, tuple[str, str]]) -> str:
    """Key numbers side by side, each with a detail below it."""
    cells = "".join(_fact(name, value, detail) for name, (value, detail) in values.items())
    return f'<dl class="facts">{cells}</dl>'


def figure(svg: str, caption: str = "") -> str:
    """An inline drawing with its caption."""
    return f"<figure>{svg}{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}</figure>"


def bullets(texts: Iterable[str], css: str) -> str:
    """A list, or nothing where there is nothing to say."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<ul class="{css}">{items}</ul>' if items else ""


def _fact(name: str, value: str, detail: str) -> str:
    small = f"<small>{escape(detail)}</small>" if detail else ""
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{small}</dd></div>"


def _row(row: tuple[str, ...], content: Table, emphasised: str) -> str:
    css = " class='recipe'" if emphasised and row[0] == emphasised else ""
    cells = "".join(
        f"<td{_label(position, content, cell)}>{_breakable(cell)}</td>" for position, cell in enumerate(row)
    )
    return f"<tr{css}>{cells}</tr>"


def _breakable(cell: str) -> str:
    """Escaped text that may wrap within long names."""
    return escape(cell).replace("_", "_<wbr>").replace("+", "+<wbr>")


def _label(position: int, content: Table, cell: str = "") -> str:
    if position >= content.num_labels:
        return ""
    return " class='label long'" if len(cell) > _LONG else " class='label'"
