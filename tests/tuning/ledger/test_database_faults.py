"""Databases that fail while they are used: full disks, files that somebody deletes, two that begin at once."""

import contextlib
import os
import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.ledger.dashboard import opened
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey
from metaopt.tuning.ledger.ledger import Ledger


def evaluation(number, length=3):
    configuration = Configuration("adamw", hparams={"adamw.lr": 1e-3 * (number + 1)})
    curve = metaopt.Curve(range(1, length + 1), [0.1 / step for step in range(1, length + 1)], length)
    key = EvaluationKey(configuration.key, "adamw@1", "print-task", 0)
    return Evaluation(key, "task", "family", configuration, curve, seconds=0.25)


def path_of(url):
    return url.removeprefix("sqlite:///")


def test_a_full_database_is_told_as_a_full_disk_by_the_ledger_and_by_the_study_beside_it(url):
    ledger = Ledger(url)

    def fill(connection, record):
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the size that it has

    with contextlib.closing(ledger):
        sa.event.listen(sa.Engine, "connect", fill)
        try:
            ledger.close()
            many = [evaluation(number, length=100) for number in range(200)]
            with pytest.raises(metaopt.StorageError, match="cannot be written: the disk is full; what it held before"):
                ledger.add(many)
            with (
                pytest.raises(metaopt.StorageError, match=r"'mine' cannot be written: the disk is full; what it held"),
                opened(url, "mine"),
            ):
                pass
        finally:
            sa.event.remove(sa.Engine, "connect", fill)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_the_study_is_written_is_not_called_an_invalid_value(url):
    def fill(connection, record, proxy):
        connection.execute("PRAGMA max_page_count = 1")

    def trial(number):
        wide = {f"setting {index}": float(index) for index in range(300)}
        return optuna.trial.create_trial(
            params=wide,
            distributions={name: optuna.distributions.FloatDistribution(0, 300) for name in wide},
            value=0.0,
        )

    with contextlib.closing(Ledger(url)) as ledger, opened(url, "mine", ledger.file) as dashboard:
        sa.event.listen(sa.pool.Pool, "checkout", fill)
        try:
            with pytest.raises(metaopt.StorageError) as caught:
                dashboard.publish(trial, 20)
        finally:
            sa.event.remove(sa.pool.Pool, "checkout", fill)
    assert str(caught.value) == (
        "The Optuna study 'mine' cannot be written: the disk is full; what it held before is intact: make room and run "
        "the same command again."
    )


def delete(path):
    path.unlink()


def replace(path):
    path.rename(path.with_name("old.db"))
    sqlite3.connect(path).close()
    path.touch()


def truncate(path):
    os.truncate(path, 0)


def overwrite(path):
    path.write_bytes(b"something else " * 2000)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (delete, "its file was deleted while it was in use; put the old one back"),
        (replace, "its file was replaced by another one while it was in use; put the old one back"),
        (truncate, "no such table: metaopt_evaluations; it was damaged from outside: restore a copy"),
        (overwrite, "it was damaged from outside: restore a copy"),
    ],
)
def test_a_file_that_was_changed_from_outside_is_not_called_intact(url, harm, sentence):
    path = Path(path_of(url))
    with contextlib.closing(Ledger(url)) as ledger:
        ledger.add([evaluation(1)])
        harm(path)
        for attempt in (lambda: ledger.add([evaluation(2)]), lambda: ledger.evaluations(["print-task"])):
            with pytest.raises(metaopt.StorageError) as caught:
                attempt()
            assert sentence in str(caught.value)
            assert "intact" not in str(caught.value)
        if harm is not truncate:
            with pytest.raises(metaopt.StorageError) as caught, opened(url, "mine", ledger.file):
                pass
            assert sentence in str(caught.value)
        assert path.exists() == (harm is not delete)


def test_a_study_whose_file_is_deleted_while_it_runs_ends_in_a_sentence_and_begins_no_other(url, make_task):
    path = Path(path_of(url))

    def train(recipe, seed):
        path.unlink(missing_ok=True)
        yield 1, 0.5

    with pytest.raises(metaopt.StorageError, match="its file was deleted while it was in use"):
        metaopt.tune([metaopt.BlackBoxTask("job", "jobs", train)], n_trials=2, storage=url, optimizers=["sgd"])
    assert not path.exists()


@pytest.mark.parametrize("content", [b"no database at all " * 100, None], ids=["another file", "cut off"])
def test_a_damaged_file_that_cannot_be_opened_is_called_damaged(url, content):
    Ledger(url).close()
    whole = Path(path_of(url)).read_bytes()
    Path(path_of(url)).write_bytes(whole[: len(whole) // 10] if content is None else content)
    with pytest.raises(
        metaopt.StorageError, match=r"cannot be opened: .*; it was damaged from outside: restore a copy"
    ):
        Ledger(url)
