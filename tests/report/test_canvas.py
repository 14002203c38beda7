"""Matplotlib's drawings become inline SVG in the page's colours, and PNG files."""

import re

import pytest

from metaopt.errors import MetaOptError
from metaopt.report.canvas import inline_svg, svg_and_png
from metaopt.report.plots.palette import PALETTE


def line(axes):
    axes.plot([0, 1], [0, 1], color=PALETTE.recipe)
    axes.set_xlabel("steps")


def test_a_drawing_takes_the_variables_of_the_page_and_its_width():
    svg = str(svg_and_png(line, "line", "A < B", None))
    head = svg[: svg.index(">")]
    assert 'role="img" aria-label="A &lt; B"' in head
    assert " width=" not in head
    assert " height=" not in head
    assert "viewBox" in head
    assert "var(--recipe)" in svg
    assert PALETTE.recipe not in svg
    assert "<style" not in svg


def test_identifiers_are_those_that_are_used_and_begin_with_the_name():
    svg = str(svg_and_png(line, "line", "A", None))
    identifiers = re.findall(r' id="([^"]*)"', svg)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    assert identifiers
    assert set(identifiers) == used
    assert len(identifiers) == len(set(identifiers))
    assert all(identifier.startswith("line-") for identifier in identifiers)


def test_the_same_plot_is_the_same_text():
    assert svg_and_png(line, "line", "A", None) == svg_and_png(line, "line", "A", None)


def test_the_png_lies_where_it_is_asked_for(tmp_path):
    svg_and_png(line, "line", "A", tmp_path / "line.png")
    assert (tmp_path / "line.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_no_svg_is_said():
    with pytest.raises(MetaOptError, match=r"a drawing that is no SVG\."):
        inline_svg("<html>", "x", "X")
