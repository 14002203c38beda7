"""What the pages say is so: their code runs, in order, and prints what they show."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SLOW = {
    "docs/cluster.md",
    "docs/lightning.md",
    "docs/plugin-in-ten-minutes.md",
    "docs/processes.md",
    "docs/transformers.md",
    "docs/tuning.md",
}

#: Pages that need a framework which may be absent.
FRAMEWORKS = {
    "docs/cluster.md": "ray",
    "docs/fastai.md": "fastai",
    "docs/keras.md": "keras",
    "docs/lightning.md": "lightning",
    "docs/skorch.md": "skorch",
    "docs/transformers.md": "transformers",
}

#: The page that needs a cluster.
CLUSTER = "docs/cluster.md"

#: Pages that are made while the site is built; `test_site` follows links to them.
MADE = "catalogue/"

#: A link to a file, with or without a heading in it.
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)(?P<file>[^)#]*)(?:#[^)]*)?\)")


def named(page):
    """A page's place in the repository."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if named(page) in SLOW else ()) for page in PAGES],
    ids=named,
)
@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",  # Lightning's advice for larger data
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning",  # fastai
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras
)
def test_the_code_of_a_page_runs_and_prints_what_it_shows(page, run_page, request, monkeypatch):
    if named(page) in FRAMEWORKS:
        pytest.importorskip(FRAMEWORKS[named(page)])
    if named(page) == CLUSTER:
        monkeypatch.setenv("RAY_ADDRESS", request.getfixturevalue("nodes").address)
    run_page(page)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=named)
def test_the_links_of_a_page_lead_somewhere(page):
    files = [link["file"] for link in LINK.finditer(page.read_text())]
    broken = [file for file in files if MADE not in file and not (page.parent / file).exists()]
    assert not broken


def test_a_page_that_is_wrong_fails(tmp_path, run_page):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\nwhich prints\n\n```output\n3\n```\n")
    with pytest.raises(pytest.fail.Exception, match=r"page.md:8: the page says\n3\n\nbut it prints\n2"):
        run_page(page)


def test_a_page_that_raises_names_its_own_line(tmp_path, run_page):
    page = tmp_path / "page.md"
    page.write_text("One line.\n\n```python\nx = 1\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as raised:
        run_page(page)
    assert [(Path(entry.path).name, entry.lineno + 1) for entry in raised.traceback][-1] == ("page.md", 5)


def test_a_command_that_fails_fails_the_page(tmp_path, run_page):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo fine\nfine\n$ exit 3\n```\n")
    with pytest.raises(pytest.fail.Exception, match=r"page.md:4: exit code 3 from exit 3"):
        run_page(page)


def test_what_is_not_run_says_so(tmp_path, run_page):
    page = tmp_path / "page.md"
    page.write_text("*Not run: it would take hours.*\n\n```python\n1 / 0\n```\n\n```python file=a.py\nx = 1\n```\n")
    run_page(page)
    assert Path("a.py").read_text() == "x = 1\n"
