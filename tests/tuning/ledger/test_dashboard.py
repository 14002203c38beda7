"""Optuna's tables are a copy of what the ledger holds: damaged they are named, dropped they are written again."""

import contextlib
import gc
import sqlite3

import optuna
import pytest

import metaopt
from metaopt.tuning.ledger.dashboard import opened

pytestmark = pytest.mark.thorough

CHOICE = {"optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "against": []}


@pytest.fixture
def tuned(make_task, url):
    """Goes on with a study that has two candidates."""
    task = make_task(num_steps=4, num_validations=2)
    metaopt.tune([task], n_trials=2, storage=url, **CHOICE)
    return lambda: metaopt.tune([task], n_trials=3, storage=url, **CHOICE)


def change(url, *statements):
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE studies",
        "DELETE FROM study_directions",
        "UPDATE trials SET state = 'xx'",
        "UPDATE trials SET number = 'xx'",
        "UPDATE trials SET datetime_start = 'xx'",
        "UPDATE trial_params SET param_value = 'xx'",
        "UPDATE trial_params SET distribution_json = '[]'",
        "UPDATE trial_values SET value_type = 'xx'",
        "UPDATE trial_user_attributes SET value_json = 'xx'",
        "UPDATE alembic_version SET version_num = 'xx'",
    ],
)
def test_damaged_tables_of_optuna_end_in_a_sentence(tuned, url, statement):
    change(url, statement)
    with pytest.raises(metaopt.StorageError, match=r"Optuna study 'metaopt' beside the ledger is damaged: .*drop all"):
        tuned()


def test_dropped_tables_of_optuna_are_written_again_from_the_ledger(tuned, url):
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'metaopt_%'"
        names = [name for (name,) in connection.execute(query)]
    change(url, *(f"DROP TABLE {name}" for name in names))
    assert len(tuned().judged) == 3
    assert len(optuna.load_study(study_name="metaopt", storage=url).trials) == 3


def test_trials_that_were_published_are_not_kept(url):
    trial = optuna.trial.create_trial(value=0.5, user_attrs={"configuration": "of a test that looks for its trials"})
    with opened(url, "metaopt") as dashboard:
        dashboard.publish(lambda number: trial, 3)
        gc.collect()
        alive = [each for each in gc.get_objects() if type(each) is type(trial) and each.user_attrs == trial.user_attrs]
        assert alive == [trial]
    assert len(optuna.load_study(study_name="metaopt", storage=url).trials) == 3
