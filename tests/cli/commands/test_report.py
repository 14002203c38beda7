"""The page of a study can be made again from its ledger, without training anything."""

import contextlib
import shutil
import sqlite3

import pytest

pytestmark = pytest.mark.thorough


@pytest.fixture
def study(tuned, tmp_path):
    """The folder of a tune, of which only the database is left."""
    folder = tmp_path / "study"
    folder.mkdir()
    shutil.copy(tuned.folder / "study.db", folder)
    return folder


def change(folder, statement):
    with contextlib.closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute(statement)


def test_it_says_what_tune_said(tuned, run, study):
    done = run("report", study)
    assert done.code == 0, done.err
    written = [
        [line for line in out.splitlines() if line.startswith("Written to")] for out in (done.out, tuned.ran.out)
    ]
    assert [len(lines) for lines in written] == [1, 1]
    assert done.out.replace(written[0][0], "") == tuned.ran.out.replace(written[1][0], "")
    assert (study / "report.html").stat().st_size > 20_000


def test_the_page_may_go_elsewhere(run, study, tmp_path, tables_only):
    done = run("report", f"sqlite:///{study / 'study.db'}", "--out", tmp_path / "elsewhere")
    assert done.code == 0, done.err
    assert (tmp_path / "elsewhere" / "report.html").is_file()
    assert not (study / "report.html").exists()


def test_what_the_ledger_lacks_is_left_out_by_name(run, study, tables_only):
    change(study, "delete from metaopt_evaluations where seed % 1000 > 100 and task = 'line3'")
    done = run("report", study)
    assert done.code == 0, done.err
    assert "Not in the ledger, and left out: tuning tasks compared." in done.err
    assert (study / "report.html").is_file()


def test_a_study_that_was_killed_early_has_no_report_yet(run, study):
    change(study, "delete from metaopt_outcomes")
    failed = run("report", study)
    assert failed.code == 2
    assert failed.err == "error: The study 'metaopt' has judged no candidate yet; run its tune command.\n"


def test_a_study_without_references_has_no_report_yet(run, study):
    change(study, "delete from metaopt_evaluations where seed = 0")
    failed = run("report", study)
    assert failed.code == 2
    assert "lacks references of some tasks" in failed.err


def test_a_changed_corpus_is_refused(run, study, tmp_path, write_tables):
    failed = run("report", study, "--corpus", write_tables(tmp_path / "others", count=3))
    assert failed.code == 2
    assert "was begun with other settings: tasks" in failed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{study}", "--study-name", "mine"], "There is no study 'mine' in this storage; it holds 'metaopt'."),
        (["{study}/.."], "There is no study.db in "),
        (["sqlite:///{study}/study.db"], "Say where the page goes, with --out DIR."),
        (["sqlite:///{study}/other.db", "--out", "{study}"], "other.db' does not exist."),
        (["other", "--out", "{study}"], "cannot be opened"),
    ],
)
def test_a_study_that_is_not_there_is_named(run, study, arguments, message):
    failed = run("report", *(argument.format(study=study) for argument in arguments))
    assert failed.code == 2
    assert message in failed.err
    assert not (study / "other.db").exists()
