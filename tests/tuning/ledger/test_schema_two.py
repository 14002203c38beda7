"""A ledger that metaopt wrote when ledgers had schema 2: reports are made of it, nothing is added to it."""

import contextlib
import json
import sqlite3
import sys
from pathlib import Path

import pytest

import metaopt
from metaopt import cli
from metaopt.tuning import rebuild
from metaopt.tuning.ledger.schema_two import old_fingerprint, reading

pytestmark = pytest.mark.thorough

FIXTURE = Path(__file__).parents[2] / "fixtures" / "schema_two"


@pytest.fixture(scope="module", autouse=True)
def tasks():
    """The module of the tasks that it was tuned on."""
    sys.path.insert(0, str(FIXTURE))
    import small_tasks

    yield small_tasks
    sys.path.remove(str(FIXTURE))


@pytest.fixture
def path(restored):
    return restored(FIXTURE / "study.sql")


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def test_tasks_are_known_by_the_fingerprints_of_then(tasks):
    known = json.loads((FIXTURE / "fingerprints.json").read_text())
    assert {task.name: old_fingerprint(task) for task in (*tasks.corpus, tasks.few_shot)} == known


def test_a_result_is_made_again_from_it(tasks, path, url):
    before = path.read_bytes()
    lines = []
    result = rebuild(url, announce=lines.append)
    # Its finals had no baselines: which of the finalists is best is decided anew, and that one was not compared there.
    assert [line for line in lines if "left out" in line] == ["Not in the ledger, and left out: tuning tasks compared."]
    assert [proposal.number for proposal, _ in result.judged] == [0, 1, 2, 3]
    assert result.recipe.configuration.optimizer == "sgd"
    assert result.recipe.configuration.hparams["sgd.momentum"] == 0.5
    assert len(result.evaluations) == 117
    assert {one.key.task_fingerprint for one in result.evaluations} == {task.fingerprint for task in tasks.corpus}
    assert {one.key.configuration_key for one in result.evaluations} == {
        one.configuration.key for one in result.evaluations
    }
    validation = {(one.contender, one.seed): one.validation for one in result.comparison.runs.itertuples()}
    assert round(validation["recipe", 101], 6) == 1.396611
    assert round(validation["adamw", 103], 6) == 1.575994
    assert path.read_bytes() == before


def test_report_replay_and_show_read_what_was_made_then(path, url, tmp_path, capsys):
    assert cli.run(["report", url, "--out", str(tmp_path / "page")]) == 0
    assert (tmp_path / "page" / "report.html").is_file()
    assert cli.run(["replay", url, "--stoppers", "patience", "--policies", "3"]) == 0
    assert cli.run(["show", str(FIXTURE / "recipe")]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("left out: ") == 1
    assert "Tuned on 'small' (2 tasks" in printed.out


@pytest.mark.parametrize("command", [["tune", "small_tasks:corpus", "--n-trials", "5"], ["evaluate", "default"]])
def test_nothing_is_added_to_it(path, url, tmp_path, capsys, command):
    before = path.read_bytes()
    more = ["--out", str(tmp_path / "out")] if command[0] == "tune" else ["small_tasks:corpus"]
    assert cli.run([*command, *more, "--storage", url]) == 2
    printed = capsys.readouterr().err
    assert "has schema 2, in which fingerprints and keys mean something else: metaopt report and" in printed
    assert "use another storage, or the metaopt that made it." in printed
    assert "Traceback" not in printed
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("metaopt_evaluations", "curve"),
        ("metaopt_evaluations", "configuration"),
        ("metaopt_proposals", "params"),
        ("metaopt_outcomes", "rungs"),
        ("metaopt_calls", "arguments"),
        ("metaopt_studies", "identity"),
    ],
)
@pytest.mark.parametrize("value", ["xx", "[]"])
def test_what_cannot_be_read_in_it_is_named(path, url, table, column, value):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))
    with pytest.raises(metaopt.StorageError, match=f"Row .* of table {table}"):
        reading(url)


def test_a_table_that_it_lacks_is_named(path, url):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE metaopt_outcomes")
    with pytest.raises(metaopt.StorageError, match="no such table: metaopt_outcomes"):
        reading(url)


def test_a_changed_task_is_another_one(tasks, url):
    changed = metaopt.Task("line", "lines", tasks.bend, tasks.splits(1), tasks.absolute, **tasks.small)
    with contextlib.closing(reading(url, [changed])) as ledger:
        assert ledger.evaluations([changed.fingerprint]) == []
