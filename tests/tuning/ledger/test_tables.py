"""The tables of a ledger are found by name, and an evaluation stands in them once."""

import pytest
import sqlalchemy as sa

from metaopt.tuning.ledger.tables import TABLES, evaluations, outcomes, proposals

ROW = {
    "configuration_key": "c",
    "plugins": "adamw@1",
    "task_fingerprint": "t",
    "seed": 0,
    "task": "t",
    "family": "f",
    "configuration": "{}",
    "curve": "{}",
    "seconds": 1.0,
    "finished_at": "now",
    "extras": "{}",
    "checksum": "0",
}


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    TABLES.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_all_names_begin_with_that_of_the_package(connection):
    names = sa.inspect(connection).get_table_names()
    assert len(names) == 8
    assert all(name.startswith("metaopt_") for name in names)


@pytest.mark.parametrize("changed", ["configuration_key", "plugins", "task_fingerprint", "seed"])
def test_an_evaluation_stands_once(connection, changed):
    connection.execute(evaluations.insert(), ROW)
    connection.execute(evaluations.insert(), {**ROW, changed: 7})
    with pytest.raises(sa.exc.IntegrityError):
        connection.execute(evaluations.insert(), {**ROW, "curve": "[]"})
    assert connection.execute(sa.select(sa.func.count()).select_from(evaluations)).scalar() == 2


@pytest.mark.parametrize("table", [proposals, outcomes], ids=lambda table: table.name)
def test_a_number_is_taken_once_in_each_study(connection, table):
    row = {column.name: "{}" for column in table.columns} | {"study": "a", "number": 0}
    row |= {name: 0 for name in ("batch", "complete") if name in table.columns}
    connection.execute(table.insert(), row)
    connection.execute(table.insert(), {**row, "study": "b"})
    connection.execute(table.insert(), {**row, "number": 1})
    with pytest.raises(sa.exc.IntegrityError):
        connection.execute(table.insert(), row)
