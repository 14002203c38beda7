"""A ledger that metaopt wrote before its modules moved (commit d4ac6e4) is reported, rebuilt and continued."""

import contextlib
import json
import sqlite3
import sys
from pathlib import Path

import optuna
import pytest

import metaopt
from metaopt import cli
from metaopt.contracts import REDRAWN
from metaopt.errors import InputError, StorageError
from metaopt.tuning import rebuild
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running import evaluator
from metaopt.tuning.running.trainings import run_task

pytestmark = pytest.mark.thorough

FIXTURE = Path(__file__).parents[1] / "fixtures" / "before_house"
#: What both studies were begun with; see `make_studies.py` beside the fixture.
COMMON = {
    "optimizers": ["sgd", "adamw"],
    "controllers": ["constant", "cosine"],
    "wrappers": [],
    "stoppers": ["patience"],
    "against": ["adamw"],
    "portfolio": 2,
}
FINISHED = {
    "study_name": "finished",
    "seed": 3,
    "folds": 2,
    "settings": ["sgd.momentum=0.5"],
    "start_from": {"optimizer": "adamw", "hparams": {"adamw.lr": 0.01}},
}


@pytest.fixture(scope="module", autouse=True)
def tables():
    """The module of the tasks that both studies were tuned on."""
    sys.path.insert(0, str(FIXTURE))
    import small_tables

    yield small_tables
    sys.path.remove(str(FIXTURE))


@pytest.fixture
def path(restored):
    return restored(FIXTURE / "studies.sql")


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def rows(path, table):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM metaopt_{table}").fetchall()


@pytest.fixture
def trained(monkeypatch):
    """Keys of the evaluations that are trained, in their order."""
    keys = []

    def run_and_remember(task, runs, *settings):
        keys.extend((assembly.configuration.key, task.fingerprint, seed) for assembly, seed in runs)
        return run_task(task, runs, *settings)

    monkeypatch.setattr(evaluator, "run_task", run_and_remember)
    return keys


def stored(path):
    """Keys of the evaluations that are in the ledger."""
    query = "SELECT configuration_key, task_fingerprint, seed FROM metaopt_evaluations"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return set(connection.execute(query).fetchall())


def needs_the_same_optuna(path):
    """Studies are continued by the sampler that they were begun with."""
    stored = json.loads(dict(row[:2] for row in rows(path, "studies"))["finished"])["optuna"]
    if stored != optuna.__version__:
        pytest.skip(f"the studies were begun with Optuna {stored}, and another one's samplers differ")


#: The tables have few rows, which that metaopt did not draw by seed: what it compared was on other rows.
LEFT_OUT = [
    "Not in the ledger, and left out: fold1of2 compared.",
    "Not in the ledger, and left out: fold2of2 compared.",
    "Not in the ledger, and left out: tuning tasks compared.",
]


def test_a_finished_study_is_rebuilt_without_training_or_writing(path, url):
    before, lines = path.read_bytes(), []
    result = rebuild(url, "finished", announce=lines.append)
    assert path.read_bytes() == before
    assert [line for line in lines if "left out" in line] == LEFT_OUT
    assert sorted(proposal.number for proposal, _ in result.judged) == [0, 1, 2, 3]
    assert result.judged[0][1].complete
    assert {evaluation.key.task_fingerprint for evaluation in result.evaluations} == {
        task.fingerprint for task in result.corpus
    }
    assert result.held_out_by == "folds"
    assert result.comparison is None
    assert result.recipe.configuration in [proposal.configuration for proposal, _ in result.judged]
    assert result.portfolio[0] == result.recipe
    assert result.verdict.kind == "unknown"
    assert "nothing is claimed" in str(result.verdict)


def test_it_is_reported_and_replayed(url, tmp_path, capsys):
    assert cli.run(["report", url, "--study-name", "finished", "--out", str(tmp_path / "page")]) == 0
    assert (tmp_path / "page" / "report.html").is_file()
    assert [line for line in capsys.readouterr().err.splitlines() if "left out" in line] == LEFT_OUT
    assert cli.run(["replay", url, "--stoppers", "patience", "--policies", "3"]) == 0
    assert "left out" not in capsys.readouterr().err


def test_the_same_call_again_trains_what_is_on_other_rows_and_keeps_the_rest(path, url, trained):
    needs_the_same_optuna(path)
    kept = {table: rows(path, table) for table in ("evaluations", "proposals", "outcomes", "studies")}
    again = metaopt.tune("small_tables:corpus", storage=url, n_trials=4, **COMMON, **FINISHED)
    assert trained
    assert all(seed >= REDRAWN for _, _, seed in trained)
    for table in ("proposals", "outcomes", "studies"):
        assert rows(path, table) == kept[table]
    assert rows(path, "evaluations")[: len(kept["evaluations"])] == kept["evaluations"]
    rebuilt = rebuild(url, "finished")
    assert again.recipe.configuration == rebuilt.recipe.configuration
    assert again.comparison.runs.equals(rebuilt.comparison.runs)
    assert again.verdict == rebuilt.verdict


def test_it_is_continued_with_more_candidates(path, url, trained):
    needs_the_same_optuna(path)
    evaluations, keys, proposals = rows(path, "evaluations"), stored(path), rows(path, "proposals")
    metaopt.tune("small_tables:corpus", storage=url, n_trials=5, **COMMON, **FINISHED)
    assert trained
    assert keys.isdisjoint(trained)
    assert rows(path, "evaluations")[: len(evaluations)] == evaluations
    assert set(proposals) < set(rows(path, "proposals"))
    assert len(rows(path, "proposals")) == len(proposals) + 3  # one more of the study, and of either fold


def test_an_interrupted_study_has_no_result_yet(url):
    with pytest.raises(StorageError, match="'interrupted' has judged no candidate yet; run its tune command"):
        rebuild(url, "interrupted")


def test_an_interrupted_study_ends_as_if_nothing_had_happened(path, url, tmp_path, trained):
    needs_the_same_optuna(path)
    evaluations, keys = rows(path, "evaluations"), stored(path)
    arguments = {"n_trials": 4, "seed": 5, "study_name": "interrupted", **COMMON}
    metaopt.tune("small_tables:corpus", storage=url, **arguments)
    assert rows(path, "evaluations")[: len(evaluations)] == evaluations
    assert trained
    assert len(set(trained)) == len(trained)
    assert keys.isdisjoint(trained)
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    # Roles are in the space of studies that begin today; one with that study's identity goes on without them.
    begun, fresh = Ledger(url), Ledger(whole)
    fresh.claim("interrupted", begun.begun_with("interrupted"))
    begun.close()
    fresh.close()
    metaopt.tune("small_tables:corpus", storage=whole, **arguments)
    proposed, outcomes = zip(*(decided(storage) for storage in (url, whole)), strict=True)
    assert proposed[0] == proposed[1]
    assert [outcome.rungs for outcome in outcomes[0]] == [
        pytest.approx(outcome.rungs, rel=1e-3) for outcome in outcomes[1]
    ]


def decided(storage):
    ledger = Ledger(storage)
    try:
        return ledger.proposals("interrupted"), ledger.outcomes("interrupted")
    finally:
        ledger.close()


def test_tasks_that_changed_since_are_refused(url):
    kinds = metaopt.load_corpus("small_tables:corpus")["kinds"]
    with pytest.raises(StorageError, match="tasks → lines is gone"):
        rebuild(url, "interrupted", corpus=[kinds])


def test_a_study_of_tasks_made_in_python_needs_them(make_tasks, url):
    metaopt.tune(make_tasks(2), n_trials=2, storage=url, study_name="made", optimizers=["sgd"], against=[])
    with pytest.raises(InputError, match="'made' was tuned on tasks made in Python; say where, with --corpus"):
        rebuild(url, "made")
    assert rebuild(url, "made", corpus=make_tasks(2)).recipe.configuration.optimizer == "sgd"


def test_a_study_that_is_not_there_is_said_to_be_missing(url):
    with pytest.raises(StorageError, match="no study 'other' in this storage; it holds 'finished', 'interrupted'"):
        rebuild(url, "other")
