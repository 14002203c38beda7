"""Numbers, outputs and pictures on the pages are those of the stored results: nothing is typed by hand."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

from benchmarks.figures.blocks import block  # noqa: E402
from benchmarks.figures.jobs import JOBS  # noqa: E402
from benchmarks.figures.pages import pages, spliced  # noqa: E402
from benchmarks.figures.picture import PICTURE, drawn  # noqa: E402
from benchmarks.figures.results import Results, StoredRun, parsed  # noqa: E402
from benchmarks.figures.values import NUMBERS, RANGES, TABLES, value  # noqa: E402

RESULTS = Results()
AGAIN = "it was edited by hand, or a result is newer: run `make figures ARGS=--splice-only`"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_shows_what_is_stored(page):
    text = page.read_text(encoding="utf-8")
    assert text == spliced(text, RESULTS), f"{page.relative_to(ROOT)}: {AGAIN}."


def test_the_picture_shows_what_is_stored():
    picture = (ROOT / PICTURE).read_text(encoding="utf-8")
    assert picture == drawn(RESULTS.folder), f"{PICTURE}: {AGAIN}."
    assert len(picture) < 150_000


@pytest.mark.parametrize("name", [*NUMBERS, *RANGES, *TABLES])
def test_every_value_can_be_read_from_its_result(name):
    shown = value(name, RESULTS)
    assert re.search(r"\d", shown)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.command)
def test_what_a_job_names_exists(job):
    module = re.search(r"python -m ([\w.]+)", job.command)
    if module is not None:
        file = ROOT / Path(*module[1].split("."))
        assert file.with_suffix(".py").exists() or (file / "__main__.py").exists()
    assert set(job.after) <= {other.result for other in JOBS if other.leaves}
    assert RESULTS.path(job.result).exists()


def test_a_number_that_was_edited_by_hand_is_put_right(tmp_path):
    results = Results(tmp_path)
    results.put(
        "tune_starter", StoredRun("metaopt tune starter", (), "Recipe scores 0.865 [0.718, 0.986] on 25 tasks.")
    )
    page = "It scores <!-- value: starter.score -->0.999<!-- / -->.\n"
    assert spliced(page, results) == "It scores <!-- value: starter.score -->0.865 [0.718, 0.986]<!-- / -->.\n"


def test_a_block_that_was_edited_by_hand_is_put_right(tmp_path):
    results = Results(tmp_path)
    results.put("show_default", StoredRun("metaopt show default", ("2026-11-29",), "schedulefree\n\nfine"))
    page = "<!-- output: metaopt show default -->\n\n```text\nadamw\n```\n\nand more\n"
    assert spliced(page, results) == page.replace("adamw", "schedulefree\n\nfine")
    assert spliced(page.replace("adamw\n", ""), results) == page.replace("adamw", "schedulefree\n\nfine")


def test_a_block_that_shows_its_command_keeps_it(tmp_path):
    results = Results(tmp_path)
    results.put("show_default", StoredRun("metaopt show default", (), "fine"))
    page = "<!-- output: metaopt show default -->\n\n```text\n$ metaopt\n```\n"
    assert spliced(page, results) == page.replace("$ metaopt\n", "$ metaopt show default\nfine\n")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!-- value: starter.scores -->1<!-- / -->", "knows no value 'starter.scores'"),
        (
            "<!-- output: metaopt plugins -->\n\n```text\n```\n",
            "No job of benchmarks/figures/jobs.py runs `metaopt plugins`",
        ),
        ("<!-- output: metaopt show default (its age) -->\n\n```text\n```\n", "no part 'its age'; known: "),
        ("<!-- value: starter.score -->1", "a value by no `<!-- / -->`"),
        ("<!-- output: metaopt show default -->\n\nand no block", "is followed by no fenced block"),
    ],
)
def test_a_marker_that_nothing_can_follow_is_refused(page, message):
    with pytest.raises(LookupError, match=re.escape(message)):
        spliced(page, RESULTS)


def test_what_was_not_run_is_named_with_the_command_that_runs_it(tmp_path):
    with pytest.raises(LookupError, match=r"make figures ARGS='--only show_default'"):
        block("metaopt show default", Results(tmp_path))


def test_a_file_of_results_is_read_as_it_is_written(tmp_path):
    results = Results(tmp_path)
    first = StoredRun("metaopt show a", ("commit 1", "load 0.1"), "one\n\n two")
    second = StoredRun("metaopt show b", (), "three")
    for run in (first, second, StoredRun("metaopt show a", (), "four")):
        results.put("shown", run)
    assert Results(tmp_path).runs("shown") == [StoredRun("metaopt show a", (), "four"), second]
    assert parsed(first.text()) == [first]
    assert parsed("$ make it        (by hand)\nthree\n") == [StoredRun("make it", ("by hand",), "three")]
