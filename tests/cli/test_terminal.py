"""Tables and paragraphs in a file are as wide as 120 columns, and plain text."""

import pytest

from metaopt.cli.terminal import WIDTH, console, print_paragraph, print_table
from metaopt.report import Table


def test_a_table_has_title_rows_and_note(capsys):
    print_table(
        Table(
            "Scores",
            ("name", "score"),
            (
                ("recipe", "0.5"),
                ("baseline", "-12"),
            ),
            note="Higher is better.",
        )
    )
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Scores"
    assert [line.split() for line in lines if line.startswith(("name", "recipe", "baseline"))] == [
        ["name", "score"],
        ["recipe", "0.5"],
        ["baseline", "-12"],
    ]
    assert "Higher is better." in lines


def test_labels_are_flush_left_and_numbers_flush_right(capsys):
    print_table(Table("T", ("name", "score"), (("a", "5"), ("longer", "-12.5"))))
    rows = [line for line in capsys.readouterr().out.splitlines() if line.lstrip().startswith(("a ", "longer"))]
    assert len({len(row) for row in rows}) == 1
    assert len({len(row) - len(row.lstrip()) for row in rows}) == 1


@pytest.mark.parametrize("cell", ["[bold]x[/bold]", ":smile:", "x[/]"])
def test_markup_in_a_cell_is_text(capsys, cell):
    print_table(Table("T", ("name",), ((cell,),)))
    assert cell in capsys.readouterr().out


def test_no_line_ends_in_spaces(capsys):
    print_table(Table("T", ("name", "text"), (("a", "b"),), num_labels=2))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]


def test_a_paragraph_is_wrapped_and_ends_with_an_empty_line(capsys):
    print_paragraph("word " * 60)
    text = capsys.readouterr().out
    assert text.endswith("word\n\n")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.split() == ["word"] * 60


def test_outside_a_terminal_the_width_is_fixed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "33")
    assert console().width == WIDTH == 120
