"""A ledger is taken forward by steps that lose nothing, each of which happens once and as a whole."""

import threading
from itertools import pairwise

import pytest
import sqlalchemy as sa

from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.migrations import STEPS, Step, migrated
from metaopt.tuning.ledger.schema import SCHEMA
from metaopt.tuning.ledger.tables import info


@pytest.fixture
def engine(url):
    Ledger(url).close()
    made = sa.create_engine(url)
    yield made
    made.dispose()


def schema_of(engine):
    with engine.connect() as connection:
        return connection.scalar(sa.select(info.c.value).where(info.c.key == "schema"))


def columns(engine):
    return {column["name"] for column in sa.inspect(engine).get_columns("metaopt_studies")}


def adding(name, before, after):
    return Step(
        before, after, lambda connection: connection.execute(sa.text(f"ALTER TABLE metaopt_studies ADD {name} TEXT"))
    )


def test_steps_are_taken_in_order_from_where_a_ledger_is(engine):
    steps = [adding("never", "2", "3"), adding("first", "3", "4"), adding("second", "4", "5")]
    assert migrated(engine, info, "schema", "3", steps) == "5"
    assert schema_of(engine) == "5"
    assert {"first", "second"} <= columns(engine)
    assert "never" not in columns(engine)
    assert migrated(engine, info, "schema", "5", steps) == "5"


def test_a_step_that_ends_in_the_middle_leaves_the_schema_before(engine):
    def stop(connection):
        connection.execute(sa.text("ALTER TABLE metaopt_studies ADD half TEXT"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrated(engine, info, "schema", "3", [Step("3", "4", stop)])
    assert schema_of(engine) == "3"
    assert "half" not in columns(engine)
    assert migrated(engine, info, "schema", "3", [adding("half", "3", "4")]) == "4"


def test_of_several_at_once_one_takes_the_step(engine):
    taken, start = [], threading.Barrier(4)
    step = Step("3", "4", lambda connection: taken.append(threading.get_ident()))

    def take():
        start.wait()
        assert migrated(engine, info, "schema", "3", [step]) == "4"

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert schema_of(engine) == "4"


def test_the_known_steps_lead_to_the_schema_of_today():
    assert all(before.after == after.before for before, after in pairwise(STEPS))
    assert not STEPS or STEPS[-1].after == str(SCHEMA)
