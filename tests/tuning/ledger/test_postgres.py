"""A study in PostgreSQL: a real server of Debian's package, stopped and started again while it is used."""

import contextlib
import os
import signal
import threading
import time
import traceback

import pytest
import sqlalchemy as sa

import metaopt
from benchmarks.robustness.postgres_server import Server, end_connections, missing
from metaopt.configuration import Configuration
from metaopt.tuning.ledger.dashboard import opened
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.tables import drivers

pytest.importorskip("psycopg", reason="needs psycopg: pip install 'metaopt-torch[postgres]'")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=f"needs PostgreSQL: {missing()}")]


@pytest.fixture(scope="module")
def server():
    made = Server()
    yield made
    made.remove()


def evaluations(url):
    """Rows of the evaluations by key."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            query = "SELECT configuration_key, task_fingerprint, seed, id, finished_at FROM metaopt_evaluations"
            return {row[:3]: row[3:] for row in map(tuple, connection.execute(sa.text(query)))}
    except sa.exc.ProgrammingError:  # there are no tables yet
        return {}
    finally:
        engine.dispose()


def wait_for_evaluations(url, count):
    limit = time.monotonic() + 120
    while len(evaluations(url)) < count:
        assert time.monotonic() < limit
        time.sleep(0.05)


def wait_for_driver(url, pid):
    """Until this process drives a study: what begins while a server is away is told so, and ends."""
    engine, limit = sa.create_engine(url, poolclass=sa.NullPool), time.monotonic() + 120
    while True:
        with engine.connect() as connection:
            if pid in connection.scalars(sa.select(drivers.c.pid)).all():
                return
        assert time.monotonic() < limit
        time.sleep(0.05)


def decided(url, study="metaopt"):
    ledger = Ledger(url)
    try:
        return ledger.proposals(study), ledger.outcomes(study)
    finally:
        ledger.close()


@pytest.fixture(scope="module")
def undisturbed(children, tmp_path_factory):
    """URL and recipe of a tuning with SQLite that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    url = f"sqlite:///{folder / 'study.db'}"
    children.begin(url, folder / "recipe")
    assert children.status() == 0
    return url, children.recipe_in(folder / "recipe")


def test_a_tuning_stopped_and_resumed_in_postgresql_ends_as_with_sqlite(server, children, undisturbed, tmp_path):
    url = server.url("resumed")
    child = children.begin(url, tmp_path)
    wait_for_evaluations(url, 90)
    os.kill(child, signal.SIGKILL)
    assert children.status() == -signal.SIGKILL
    before = evaluations(url)
    assert 0 < len(before) < len(evaluations(undisturbed[0]))
    children.begin(url, tmp_path)
    assert children.status() == 0
    after = evaluations(url)
    assert {key: after.get(key) for key in before} == before
    assert set(after) == set(evaluations(undisturbed[0]))
    assert decided(url) == decided(undisturbed[0])
    assert children.recipe_in(tmp_path) == undisturbed[1]


def test_a_server_that_goes_away_for_a_while_is_waited_for(server, children, undisturbed, tmp_path):
    url = server.url("away")
    children.begin(url, tmp_path)
    for count in (1, 90):
        wait_for_evaluations(url, count)
        server.stop()
        time.sleep(3)
        server.start()
    assert children.status() == 0
    assert set(evaluations(url)) == set(evaluations(undisturbed[0]))
    assert decided(url) == decided(undisturbed[0])
    assert children.recipe_in(tmp_path) == undisturbed[1]


def test_two_studies_side_by_side_end_as_each_alone(server, children, other_children, undisturbed, tmp_path):
    """Begun at once on a new database; connections end, the server restarts, one of the drivers is killed."""
    url = server.url("beside")
    folders = {"one": tmp_path / "one", "two": tmp_path / "two"}
    children.begin(url, folders["one"], study="one")
    killed = other_children.begin(url, folders["two"], study="two")
    ended = 0
    for count in (1, 20, 40, 60):
        wait_for_evaluations(url, count)
        ended += end_connections(url)
    os.kill(killed, signal.SIGKILL)
    assert other_children.status() == -signal.SIGKILL
    before = evaluations(url)
    wait_for_driver(url, other_children.begin(url, folders["two"], study="two"))
    server.stop()
    time.sleep(1)
    server.start()
    assert children.status() == 0
    assert other_children.status() == 0
    assert ended > 0
    after = evaluations(url)
    assert {key: after.get(key) for key in before} == before
    assert set(after) == set(evaluations(undisturbed[0]))
    for study, folder in folders.items():
        assert decided(url, study) == decided(undisturbed[0])
        assert metaopt.load_recipe(folder).configuration == Configuration.from_json(undisturbed[1]["configuration"])


def test_a_second_driver_is_refused_by_name(server):
    first = Ledger(server.url("driven"))
    second = Ledger(first.url)
    with (
        first.driving("mine"),
        pytest.raises(metaopt.StorageError, match=rf"'mine' .* is being driven by process {os.getpid()} on"),
        second.driving("mine"),
    ):
        pass
    with second.driving("mine"):
        pass
    first.close()
    second.close()


def test_of_drivers_that_begin_at_once_one_drives(server):
    url = server.url("race")
    ledgers = [Ledger(url) for _ in range(8)]
    start, done, driven, refused = threading.Barrier(8), threading.Event(), [], []

    def drive(ledger):
        start.wait()
        try:
            with ledger.driving("mine"):
                driven.append(ledger)
                done.wait(60)
        except metaopt.StorageError as error:
            refused.append(str(error))
            if len(refused) == 7:
                done.set()

    threads = [threading.Thread(target=drive, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        ledger.close()
    assert len(driven) == 1
    assert all("is being driven by process" in line for line in refused)


def test_what_several_open_at_once_for_the_first_time_is_made_once(server):
    for number in range(2):
        url = server.url(f"fresh{number}")
        start, opened_by, failed = threading.Barrier(4), [], []

        def begin(name, url=url, start=start, opened_by=opened_by, failed=failed):
            start.wait()
            try:
                with contextlib.closing(Ledger(url)) as ledger, opened(ledger.url, name):
                    opened_by.append(name)
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=begin, args=(f"study{index % 2}",)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert sorted(opened_by) == sorted(f"study{index % 2}" for index in range(4))


def test_a_password_is_shown_by_no_error_of_a_server(server):
    url = server.url("secret").replace("tuner@", "nobody:s3cretpw@")
    for address in (url, f"{url}?options=s3cretpw", url.replace("/secret", "/nowhere?password=s3cretpw")):
        with pytest.raises(metaopt.StorageError) as caught:
            Ledger(address)
        assert "s3cretpw" not in "".join(traceback.format_exception(caught.value))


def test_the_usual_name_of_the_scheme_finds_the_driver(server):
    url = server.url("plain", driver="postgresql")
    with contextlib.closing(Ledger(url)) as ledger:
        assert ledger.url.startswith("postgresql+psycopg://")


def test_a_ledger_of_another_schema_is_refused(server):
    with contextlib.closing(Ledger(server.url("schema"))) as ledger:
        engine = sa.create_engine(ledger.url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE metaopt_info SET value = '99' WHERE key = 'schema'"))
        engine.dispose()
        with pytest.raises(metaopt.StorageError, match="has schema 99, this metaopt writes schema 3; use the metaopt"):
            Ledger(ledger.url)


def test_a_damaged_row_and_a_dropped_table_are_named(server):
    url = server.url("damaged")
    configuration = Configuration("adamw", hparams={"adamw.lr": 1e-3})
    key = EvaluationKey(configuration.key, "adamw@1", "print", 0)
    row = Evaluation(key, "task", "family", configuration, metaopt.Curve([1], [0.5], 1), 0.1, {"note": "ü"})
    engine = sa.create_engine(url)

    def change(statement):
        with engine.begin() as connection:
            connection.execute(sa.text(statement))

    with contextlib.closing(Ledger(url)) as ledger:
        ledger.add([row])
        assert ledger.evaluations()[0].extras == {"note": "ü"}
        assert ledger.evaluations()[0].seconds == 0.1
        change("UPDATE metaopt_evaluations SET curve = '[]'")
        with pytest.raises(metaopt.StorageError, match=r"Row id=\d+ of table metaopt_evaluations"):
            ledger.evaluations()
    change("DROP TABLE metaopt_outcomes")
    engine.dispose()
    for _ in range(2):
        with pytest.raises(metaopt.StorageError, match="lacks its table metaopt_outcomes, which somebody dropped"):
            Ledger(url)


def test_what_two_add_at_once_is_stored_once(server):
    url = server.url("added")
    ledgers = [Ledger(url) for _ in range(4)]
    start = threading.Barrier(4)
    configurations = [Configuration("adamw", hparams={"adamw.lr": 1e-3 * number}) for number in range(1, 21)]
    curve = metaopt.Curve([1], [0.5], 1)
    rows = [
        Evaluation(EvaluationKey(configuration.key, "adamw@1", "print", 0), "task", "family", configuration, curve, 1.0)
        for configuration in configurations
    ]

    def add(ledger):
        start.wait()
        ledger.add(rows)

    threads = [threading.Thread(target=add, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [configuration.key for configuration in ledgers[0].evaluations(["print"])] == [row.key for row in rows]
    for ledger in ledgers:
        ledger.close()
