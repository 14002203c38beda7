"""A ledger knows which of its rows are not what was written, and says so by table and row."""

import contextlib
import shutil
import sqlite3

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.ledger import tables as ledger_tables
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey, Proposal, RaceOutcome
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.rows import sealed

CONFIGURATION = Configuration("sgd", hparams={"sgd.lr": 0.5})
IDENTITY = {"tasks": {"line": "print"}, "seed": 0}
TEXTS = ("xx", "{}", "[]", b"\xff\xfe", 7)


def evaluation(seed):
    curve = metaopt.Curve([1, 2], [1.0, 0.5], 2, test=[1.0, 0.6], signals={"train_loss": [1.0, 0.4]})
    key = EvaluationKey(CONFIGURATION.key, "sgd@1,constant@1", "print", seed)
    return Evaluation(key, "line", "lines", CONFIGURATION, curve, 0.25, {"note": [1, None]})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The file of a ledger with rows in every table."""
    path = tmp_path_factory.mktemp("whole") / "study.db"
    with contextlib.closing(Ledger(f"sqlite:///{path}")) as ledger:
        ledger.claim("mine", IDENTITY)
        ledger.remember("mine", {"n_trials": 2})
        ledger.add([evaluation(0), evaluation(1)], shipped_by="a corpus")
        ledger.propose("mine", [Proposal(number, 0, CONFIGURATION, {"sgd.lr": 0.5}) for number in (0, 1)])
        ledger.conclude("mine", [RaceOutcome(number, {1: 0.25}, True, {"line": 0.25}) for number in (0, 1)])
    return path


@pytest.fixture
def path(whole, tmp_path):
    """A copy of it that may be damaged."""
    return shutil.copy(whole, tmp_path / "study.db")


def change(path, statement, *values):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def read(path):
    """Everything that a study reads."""
    with contextlib.closing(Ledger(f"sqlite:///{path}")) as ledger:
        ledger.claim("mine", IDENTITY)
        stored = [ledger.evaluations(), ledger.find([evaluation(0).key]), ledger.shipped(["print"])]
        return [*stored, ledger.proposals("mine"), ledger.outcomes("mine"), ledger.studies(), ledger.arguments("mine")]


def test_what_was_written_is_read(path):
    evaluations, _, shipped, proposals, outcomes, studies, arguments = read(path)
    assert [stored.extras for stored in evaluations] == [{"note": [1, None]}] * 2
    assert shipped == {stored.key for stored in evaluations}
    assert (len(proposals), len(outcomes), studies, arguments) == (2, 2, ["mine"], {"n_trials": 2})


def test_a_curve_that_nobody_could_have_written_is_named_when_it_is_looked_at(path):
    """Its checksum is right: then the row is damaged all the same."""
    with contextlib.closing(Ledger(f"sqlite:///{path}")) as ledger:
        (stored, *_) = ledger.evaluations()
        row = {name: getattr(stored.key, name) for name in ("configuration_key", "plugins", "task_fingerprint", "seed")}
        row |= {"task": "line", "family": "lines", "seconds": 0.25, "finished_at": "now", "extras": "{}"}
        row |= {"configuration": '{"optimizer": "sgd"}', "curve": '{"steps": [1]}', "seed": 7}
        ledger._database.add(ledger_tables.evaluations, [sealed(ledger_tables.evaluations, row)])
        (odd,) = (one for one in ledger.evaluations() if one.key.seed == 7)
        with pytest.raises(metaopt.StorageError, match=r"of table metaopt_evaluations in .* is damaged"):
            _ = odd.curve


def cells():
    sealed = [table for table in ledger_tables.TABLES.tables.values() if "checksum" in table.columns]
    # Rows of another study, or another task, are not read at all; whoever lacks them trains or judges again.
    elsewhere = {("metaopt_outcomes", "study"), ("metaopt_shipments", "task_fingerprint"), ("metaopt_studies", "name")}
    for table in sealed:
        yield from (
            pytest.param(table.name, column.name, id=f"{table.name}.{column.name}")
            for column in table.columns
            if column.name != "id" and (table.name, column.name) not in elsewhere
        )


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), list(cells()))
def test_a_changed_cell_is_named_by_table_and_row(whole, tmp_path, table, column):
    for number, value in enumerate(TEXTS):
        path = shutil.copy(whole, tmp_path / f"{number}.db")
        change(path, f"UPDATE {table} SET {column} = ? WHERE rowid = 1", value)
        with pytest.raises(metaopt.StorageError, match=table) as caught:
            read(path)
        message = str(caught.value)
        assert "restore a copy" in message
        assert len(message) < 500
        assert "\n" not in message


@pytest.mark.parametrize("column", ["curve", "configuration", "task"])
def test_a_single_changed_byte_is_seen(path, column):
    change(path, f"UPDATE metaopt_evaluations SET {column} = replace({column}, 'i', 'j') WHERE id = 2")
    with pytest.raises(metaopt.StorageError, match=r"Row id=2 of table metaopt_evaluations .*or delete that row"):
        read(path)


def test_a_number_that_looks_as_good_is_seen(path):
    change(path, "UPDATE metaopt_evaluations SET curve = replace(curve, '0.5', '0.4') WHERE id = 1")
    with pytest.raises(metaopt.StorageError, match="Row id=1 of table metaopt_evaluations"):
        read(path)


def test_a_row_that_was_deleted_as_told_is_missed_by_nobody(path):
    change(path, "UPDATE metaopt_evaluations SET curve = 'xx' WHERE id = 2")
    change(path, "DELETE FROM metaopt_evaluations WHERE id = 2")
    assert len(read(path)[0]) == 1


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM metaopt_proposals WHERE number = 0", "metaopt_proposals .* lacks the row study='mine', number=0"),
        ("DELETE FROM metaopt_proposals WHERE number = 1", "metaopt_proposals .* lacks the row study='mine', number=1"),
        ("DELETE FROM metaopt_studies", "metaopt_studies .* lacks the row name='mine'"),
        ("UPDATE metaopt_studies SET name = 'other'", "metaopt_studies .* lacks the row name='mine'"),
        ("DELETE FROM metaopt_info", "lacks the row key='schema' of its table metaopt_info"),
        ("UPDATE metaopt_info SET value = 'xx'", "has schema xx, .* metaopt_info"),
    ],
)
def test_a_missing_row_that_others_need_is_named(path, statement, message):
    change(path, statement)
    with pytest.raises(metaopt.StorageError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("column", "value"), [("pid", "xx"), ("beats", b"\xff"), ("host", b"\xff"), ("token", b"x"), ("process_start", b"")]
)
def test_a_damaged_driver_is_named(path, column, value):
    change(path, "INSERT INTO metaopt_drivers VALUES ('mine', 'token', 'nowhere', 1, 'start', 0)")
    change(path, f"UPDATE metaopt_drivers SET {column} = ?", value)
    with (
        contextlib.closing(Ledger(f"sqlite:///{path}")) as ledger,
        pytest.raises(metaopt.StorageError, match="Row study='mine' of table metaopt_drivers"),
    ):
        ledger.driving("mine").__enter__()


@pytest.mark.parametrize("table", [name for name in ledger_tables.TABLES.tables if name != "metaopt_info"])
def test_a_dropped_table_is_named_and_not_made_again(path, table):
    change(path, f"DROP TABLE {table}")
    for _ in range(2):
        with pytest.raises(metaopt.StorageError, match=f"lacks its table {table}, which somebody dropped; restore"):
            Ledger(f"sqlite:///{path}")


def test_without_its_first_table_a_ledger_is_not_begun_anew(path):
    change(path, "DROP TABLE metaopt_info")
    for _ in range(2):
        with pytest.raises(metaopt.StorageError, match="of its table metaopt_info, which somebody deleted"):
            Ledger(f"sqlite:///{path}")


def test_an_empty_ledger_that_was_not_finished_is(tmp_path):
    path = tmp_path / "study.db"
    Ledger(f"sqlite:///{path}").close()
    for statement in ("DELETE FROM metaopt_info", "DROP TABLE metaopt_calls", "DROP TABLE metaopt_info"):
        change(path, statement)
    with contextlib.closing(Ledger(f"sqlite:///{path}")) as ledger:
        ledger.add([evaluation(0)])
        assert len(ledger.evaluations()) == 1
