"""One page that needs nothing else: readable on a phone, in the dark, and without matplotlib."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

import metaopt
from metaopt.report import Table, page, write_report

pytestmark = pytest.mark.thorough

VOID = {"meta", "link", "br", "wbr", "img", "hr", "path", "use", "polyline"}
#: Names that would end an attribute, an element or a string, begin a script, or be taken for something else.
NAMES = (
    "<script>alert(1)</script>",
    """ " onload="alert(1) """,
    "' onfocus='alert(1)",
    "</title></style><b>",
    "&lt;b&gt; {{ 7 * 7 }} {% if %}",
    "Größe – 面積 🎈",
    "\u202eright to left",
)


class Outline(HTMLParser):
    """Checks that what is opened is closed, and keeps what the tests ask for."""

    def __init__(self):
        super().__init__()
        self.open, self.parents, self.text, self.headings = [], [], [], []
        self.identifiers, self.targets, self.attributes, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.parents.append((tag, self.open[-1][1] if self.open else ""))
        self.tags.add(tag)
        self.attributes += attributes
        self.identifiers += [value for name, value in attributes if name == "id"]
        self.targets += [value for name, value in attributes if name == "href" and tag == "a"]
        if tag not in VOID:
            self.open.append((tag, dict(attributes).get("class", "")))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1][0] == "h2":
            self.headings.append(data)


def renamed(result, names):
    """The result with its two tasks, and what they are called anywhere, under other names."""
    new = dict(zip([task.name for task in result.corpus], names, strict=True))
    compared = result.tuning_comparison
    curves = {(contender, new[task]): curve for (contender, task), curve in compared.curves.items()}
    compared = dataclasses.replace(
        compared, runs=compared.runs.replace({"task": new}), curves=curves, expected={}, overlaps={}, incumbents={}
    )
    tasks = [dataclasses.replace(task, name=new[task.name], family=new[task.name]) for task in result.corpus]
    corpus = metaopt.Corpus(names[0], tasks)
    return dataclasses.replace(result, corpus=corpus, tuning_comparison=compared, weak=())


def outline(text):
    parsed = Outline()
    parsed.feed(text)
    assert parsed.open == []
    return parsed


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    return write_report(result, tmp_path_factory.mktemp("page"))


def test_the_verdict_comes_first_then_what_it_rests_on(written, result):
    parsed = outline(written.read_text())
    assert [heading for heading in parsed.headings if not heading.startswith("The recipe: ")] == [
        "Training curves",
        "Beside what others use",
        "Where it loses",
        "When to stop",
        "What was tried",
        "What mattered",
        "What it cost",
    ]
    assert parsed.headings[3].startswith("The recipe: ")
    text = " ".join(" ".join(parsed.text).split())
    assert text.index(str(result.verdict)) < text.index("Held-out tasks, one by one") < text.index("In a training loop")


def test_it_loads_and_runs_nothing(written):
    text = written.read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!\#|data:,")""", text)
    assert "@import" not in text
    assert "<script" not in text
    assert "default-src 'none'" in text


def test_every_link_has_its_target_and_identifiers_are_unique(written):
    parsed = outline(written.read_text())
    assert len(parsed.targets) == 9  # sections, and the verdict for who skips them
    assert {target.removeprefix("#") for target in parsed.targets} <= set(parsed.identifiers)
    assert len(parsed.identifiers) == len(set(parsed.identifiers))


def test_keyboards_reach_what_scrolls_and_what_is_folded(written):
    text = written.read_text()
    regions = re.findall(r'<div class="table"[^>]*>', text)
    assert regions
    assert all('tabindex="0" role="region" aria-label="' in region for region in regions)
    assert text.count("<details") == text.count("<summary>") >= 3
    assert text.index('class="skip"') < text.index("<header>")


def test_a_table_that_scrolls_says_so(written):
    text = written.read_text()
    assert text.count('<p class="hint">') == text.count('<div class="table"')
    assert "animation-timeline: --sideways" in text


def test_tables_scroll_inside_their_own_container(written):
    parents = [css for tag, css in outline(written.read_text()).parents if tag == "table"]
    assert parents
    assert set(parents) == {"table"}


def test_drawings_take_the_colours_of_the_page(written):
    drawn = re.findall(r"<svg.*?</svg>", written.read_text(), flags=re.DOTALL)
    assert len(drawn) > 12
    assert all("var(--" in one for one in drawn)
    assert all('role="img"' in one or 'aria-hidden="true"' in one for one in drawn)
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
    assert "pip install &#39;metaopt-torch[report]&#39;" in text
    assert "<table" in text
    assert text.count('class="chart"') == 12  # tasks one by one need no matplotlib
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_name_from_outside_is_text(result, monkeypatch):
    monkeypatch.setattr(type(result.comparison), "summary", lambda self: "<b>5 & 6</b>")
    assert "&lt;b&gt;5 &amp; 6&lt;/b&gt;" in page.render(result, None)


def test_tables_wider_than_a_phone_are_known_by_their_characters():
    assert not page.is_wide(Table("T", ("task", "score"), (("digits", "0.5"),)))
    assert page.is_wide(Table("T", ("task", "score"), (("digits", "0.5"), ("x" * 30, "y" * 30))))
    assert not page.is_wide(Table("T", ("a",), (("x" * 1000,),)))  # it wraps


def test_long_names_may_wrap():
    assert page.breakable("a_b+<c>") == "a_<wbr>b+<wbr>&lt;c&gt;"


def test_whatever_tasks_are_called_the_page_has_the_same_structure(tuning_only):
    """Names are text wherever they stand: no element and no attribute more than with names of letters."""

    def written_with(names):
        return outline(page.render(renamed(tuning_only, names), None))

    plain = written_with(["plain", "other"])
    for names in zip(NAMES[:-1:2], NAMES[1::2], strict=False):
        odd = written_with(names)
        assert odd.tags == plain.tags
        assert {name for name, _ in odd.attributes} == {name for name, _ in plain.attributes}
        text = "".join(odd.text)
        assert all(name in text for name in names)


def test_no_value_of_a_row_is_on_it(tmp_path):
    rows = "".join(
        f"{index % 7}.5,{'secretword' if index % 3 else 'otherword'},{'classyes' if index % 2 else 'classno'}\n"
        for index in range(120)
    )
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "clinic.csv").write_text("dose,colour,outcome\n" + rows)
    small = {"n_trials": 2, "optimizers": ["adamw"], "wrappers": [], "controllers": ["constant"], "against": []}
    text = page.render(metaopt.tune(folder, **small, announce=lambda line: None), None)
    assert "clinic" in text
    assert not re.search("secretword|otherword|classyes|classno", text)


@pytest.mark.parametrize("small", ["tuning_only", "black_box"])
def test_a_small_study_has_a_page(small, request, tmp_path):
    result = request.getfixturevalue(small)
    outline(write_report(result, tmp_path).read_text())


@pytest.mark.parametrize("name", ["$\\frac{$", "{vision}", "[red]x[/red]", "100%s", "a\nb", "_x", "n" * 3000])
def test_a_task_of_any_name_is_drawn(name, tmp_path, request):
    task = dataclasses.replace(request.getfixturevalue("tuning_only").corpus.tasks[0], name=name, family=name)
    small = {"n_trials": 2, "optimizers": ["adamw"], "wrappers": [], "controllers": ["constant"], "against": []}
    write_report(metaopt.tune([task], **small), tmp_path)
    assert (tmp_path / "tasks_tuning.png").stat().st_size > 1000
