"""One page that needs nothing else: readable on a phone, in the dark, and without matplotlib."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

import metaopt
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.report import page, write_report
from metaopt.report.drawings import Drawings
from metaopt.tuning.stopping.stopping import PolicyResult

pytestmark = pytest.mark.thorough

VOID = {"meta", "br", "wbr", "img", "hr", "path", "use"}


class Outline(HTMLParser):
    """Checks that what is opened is closed, and keeps what the tests ask for."""

    def __init__(self):
        super().__init__()
        self.open, self.parents, self.text, self.headings = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.parents.append((tag, self.open[-1][1] if self.open else ""))
        if tag not in VOID:
            self.open.append((tag, dict(attributes).get("class", "")))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1][0] == "h2":
            self.headings.append(data)


def outline(text):
    parsed = Outline()
    parsed.feed(text)
    assert parsed.open == []
    return parsed


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    return write_report(result, tmp_path_factory.mktemp("page"))


def test_every_part_has_its_section(written):
    headings = outline(written.read_text()).headings
    assert headings[0].startswith("The recipe: ")
    assert headings[1:] == [
        "Beside what others use",
        "Training curves",
        "Where it loses",
        "When to stop",
        "What was tried",
        "What it cost",
    ]


def test_it_needs_no_other_file(written):
    text = written.read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!\#)""", text)
    assert "@import" not in text
    assert "<script" not in text


def test_tables_scroll_inside_their_own_container(written):
    parents = [css for tag, css in outline(written.read_text()).parents if tag == "table"]
    assert parents
    assert set(parents) == {"table"}


def test_drawings_take_the_colours_of_the_page(written):
    drawn = re.findall(r"<svg.*?</svg>", written.read_text(), flags=re.DOTALL)
    assert len(drawn) > 12
    assert all("var(--" in one and 'role="img"' in one for one in drawn)
    assert not re.search(r"#[0-9a-f]{6}\b(?![^<]*url)", "".join(drawn).replace('"#', ""))


def test_plots_lie_beside_it_as_png(written):
    names = {path.stem for path in written.parent.glob("*.png")}
    assert {"scores", "worth", "profile", "curves_held_out", "curves_tuning", "tasks_held_out", "race"} <= names
    assert {"rungs", "importance"} <= names


def test_the_numbers_are_those_of_the_result(written, result):
    text = " ".join(" ".join(outline(written.read_text()).text).split())
    assert result.comparison.summary() in text
    assert f"Corpus fingerprint {result.corpus.fingerprint}" in text


def test_without_matplotlib_it_has_tables_and_says_what_to_install(result, tmp_path, monkeypatch):
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda name: None)
    text = write_report(result, tmp_path).read_text()
    assert "pip install &#x27;metaopt-torch[report]&#x27;" in text
    assert "<svg" not in text
    assert "<table" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_name_from_outside_is_text(result, monkeypatch):
    monkeypatch.setattr(type(result.comparison), "summary", lambda self: "<b>5 & 6</b>")
    assert "&lt;b&gt;5 &amp; 6&lt;/b&gt;" in page.render(result, None)


@pytest.mark.parametrize("small", ["tuning_only", "black_box"])
def test_a_small_study_has_a_page(small, request, tmp_path):
    result = request.getfixturevalue(small)
    outline(write_report(result, tmp_path).read_text())


def test_the_recipes_stopper_is_marked_on_the_front(result):
    policies = [StopperConfiguration("patience", {"patience": share}) for share in (0.1, 0.2, 0.3)]
    front = [PolicyResult(one, regret, 0.3 * regret) for one, regret in zip(policies, (0.0, 0.1, 0.2), strict=True)]
    recipe = result.recipe.with_stopper(policies[1])
    drawing = Drawings.of(dataclasses.replace(result, front=front, recipe=recipe)).named["stopping"]
    axes = Figure().subplots()
    drawing.draw(axes)
    (label,) = axes.get_legend().get_texts()
    assert label.get_text() == "the recipe's"


def test_black_boxes_have_no_curves(black_box):
    assert not Drawings.of(black_box).tasks


@pytest.mark.parametrize("name", ["$\\frac{$", "{vision}", "[red]x[/red]", "100%s", "a\nb", "_x", "n" * 3000])
def test_a_task_of_any_name_is_drawn(name, tmp_path, request):
    task = dataclasses.replace(request.getfixturevalue("tuning_only").corpus.tasks[0], name=name, family=name)
    small = {"n_trials": 2, "optimizers": ["adamw"], "wrappers": [], "controllers": ["constant"], "against": []}
    write_report(metaopt.tune([task], **small), tmp_path)
    assert (tmp_path / "tasks_tuning.png").stat().st_size > 1000
