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


def test_tabs_are_told_from_commas_in_sentences():
    lines = ["ham\tfirst, second", "spam\tone, two, three", "ham\tnone", "spam\ta, b"] * 5
    assert layout_of("\n".join(lines)).separator == "\t"
    assert layout_of("\n".join("ham\tfirst, second" for _ in range(20))).separator == "\t"


def test_semicolons_are_told_from_commas_in_the_first_sentence():
    assert layout_of("good, really;yes\n" + "bad;no\nso, so, so;no\n" * 10).separator == ";"
    assert layout_of("a,b,c\n" + "1,2,x;y\n" * 10).separator == ","
