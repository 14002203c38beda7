"""Tables and paragraphs in a terminal, or in a file."""

import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from metaopt.report import Table

#: Columns of text that goes to a file or a pipe.
WIDTH = 120


def print_table(table: "Table") -> None:
    """The table with its title and note."""
    from rich import box
    from rich.table import Table as RichTable

    grid = RichTable(
        box=box.SIMPLE_HEAD, title=table.title, title_justify="left", title_style="bold", padding=(0, 1, 0, 0)
    )
    for position, column in enumerate(table.columns):
        grid.add_column(column, justify="left" if position < table.num_labels else "right", overflow="fold")
    for row in table.rows:
        grid.add_row(*row)
    shown = console()
    with shown.capture() as capture:
        shown.print(grid)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))
    if table.note:
        print_paragraph(table.note)


def print_paragraph(text: str) -> None:
    """Text, wrapped, with an empty line after it."""
    print(textwrap.fill(text, min(console().width, WIDTH)), end="\n\n")


def print_line(text: str, *, alarming: bool = False) -> None:
    """Text on a line of its own, red where it must not be overlooked."""
    console().print(text, style="bold red" if alarming else None, soft_wrap=True)


def console() -> "Console":
    """Where tables go: as wide as the terminal, or 120 columns elsewhere."""
    from rich.console import Console

    return Console(
        width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False, emoji=False, soft_wrap=False
    )
