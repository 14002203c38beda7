"""Plots become drawings in the page's colours, and PNG files."""

import pytest

from metaopt.report import plots
from metaopt.report.drawings import Drawing, Drawings


def line(axes):
    axes.plot([0, 1], [0, 1], color=plots.PALETTE.recipe)
    axes.set_xlabel("steps")


DRAWINGS = Drawings({"line": Drawing("A < B", "Up & up.", line)}, ["recipe", "plain <adamw>"])


def test_a_drawing_takes_the_variables_of_the_page_and_its_width():
    page = DRAWINGS.figures("line")
    assert 'role="img" aria-label="A &lt; B"' in page
    assert "var(--recipe)" in page
    assert plots.PALETTE.recipe not in page
    head = page[page.index("<svg") : page.index(">", page.index("<svg"))]
    assert " width=" not in head
    assert " height=" not in head
    assert "<figcaption>Up &amp; up.</figcaption>" in page


def test_the_same_plot_is_the_same_text():
    assert DRAWINGS.figures("line") == DRAWINGS.figures("line")


def test_what_the_result_does_not_have_is_not_drawn():
    assert DRAWINGS.figures("worth") == ""
    assert DRAWINGS.figures("worth", "line") == DRAWINGS.figures("line")
    assert DRAWINGS.task_figures("tasks_held_out") == ""


def test_the_key_names_each_contender_in_its_colour():
    key = DRAWINGS.key()
    assert key.count("<li ") == 2
    assert "<span>plain &lt;adamw&gt;</span>" in key


@pytest.mark.parametrize("names", [["line"], ["line", "second"]])
def test_each_plot_is_a_png(tmp_path, names):
    Drawings(dict.fromkeys(names, DRAWINGS.named["line"]), []).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.png" for name in names}
    assert (tmp_path / "line.png").read_bytes().startswith(b"\x89PNG")
