"""Separators and lines before the header."""

import pytest

from metaopt.tasks.tables.reading.layout import Layout, layout_of


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator):
    assert layout_of("".join(f"{separator.join('abc')}\n" for _ in range(5))) == Layout(separator)


def test_decimal_commas_separate_nothing():
    assert layout_of("a;b;c\n1,5;2,5;3,5\n1,5;2;3,25\n").separator == ";"
    assert layout_of("a|b|c\n1,5|2,5|3,5\n1,5|2,5|3,25\n").separator == "|"


def test_semicolons_within_cells_separate_nothing():
    assert layout_of("name,text\nx,a;b\ny,c;d;e\n").separator == ","


def test_a_first_line_says_it():
    assert layout_of("sep=;\na;b\n1;2\n") == Layout(";", skipped=1)


def test_the_owner_says_it():
    assert layout_of("a#b\n1#2\n", "#").separator == "#"


@pytest.mark.parametrize("separator", [",", ";"])
def test_lines_before_the_header_are_counted(separator):
    rows = "".join(f"{separator.join(row)}\n" for row in ["abc", "123", "456", "789"])
    assert layout_of(f"Report\n\n2024\n{rows}") == Layout(separator, preamble=3)
    assert layout_of(rows).preamble == 0


def test_a_header_that_is_too_short_is_no_line_before_it():
    assert layout_of("a,b,c\n" + "1,2,3,4\n" * 9).preamble == 0
