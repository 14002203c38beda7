import dataclasses
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey, Proposal, RaceOutcome
from metaopt.tuning.ledger.ledger import Ledger


def evaluation(number=0, *, seed=0, task="task", plugins="adamw@1,constant@1", length=3):
    configuration = Configuration("adamw", hparams={"adamw.lr": 1e-3 * (number + 1)})
    values = np.linspace(1.0, 0.1, length) + 0.1 * number
    curve = metaopt.Curve(range(1, length + 1), values, length, test=values / 3, signals={"train_loss": values * 2})
    key = EvaluationKey(configuration.key, plugins, f"print-{task}", seed)
    return Evaluation(key, task, "family", configuration, curve, seconds=0.25)


@pytest.fixture
def ledger(url):
    made = Ledger(url)
    yield made
    made.close()


def path_of(url):
    return url.removeprefix("sqlite:///")


def test_what_is_added_comes_back_as_it_was(ledger):
    added = evaluation(1)
    ledger.add([added])
    read = ledger.find([added.key])[added.key]
    assert (read.key, read.task, read.family, read.seconds) == (added.key, "task", "family", 0.25)
    assert read.configuration == added.configuration
    assert (read.curve.values == added.curve.values).all()
    assert (read.curve.test == added.curve.test).all()
    assert (read.curve.signals["train_loss"] == added.curve.signals["train_loss"]).all()


def test_diverged_curves_come_back_as_diverged(ledger):
    curve = metaopt.Curve([1, 2, 3], [1.0, np.nan, np.inf], 3, test=[1.0, np.nan, 2.0])
    diverged = Evaluation(evaluation().key, "task", "family", evaluation().configuration, curve, 0.1)
    ledger.add([diverged])
    read = ledger.find([diverged.key])[diverged.key].curve
    assert read.diverged
    assert read.values[0] == 1.0
    assert not np.isfinite(read.values[1:]).any()


def test_evaluations_are_found_by_configuration_plugins_task_and_seed(ledger):
    ledger.add([evaluation(1), evaluation(2), evaluation(1, seed=5)])
    ledger.add([evaluation(1, task="other")])
    assert len(ledger.evaluations(["print-task"])) == 3
    assert [stored.task for stored in ledger.evaluations(["print-other"])] == ["other"]
    for other in (evaluation(3), evaluation(1, seed=1), evaluation(1, task="third"), evaluation(1, plugins="adamw@2")):
        assert ledger.find([other.key]) == {}


def test_an_evaluation_is_stored_once_and_never_changed(ledger, url):
    ledger.add([evaluation(1)])
    ledger.add([evaluation(1), evaluation(2)])
    assert len(ledger.evaluations(["print-task"])) == 2
    with sqlite3.connect(path_of(url)) as connection, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(
            "INSERT INTO metaopt_evaluations (configuration_key, plugins, task_fingerprint, seed, task, family,"
            " configuration, curve, seconds, finished_at, extras, checksum) SELECT configuration_key, plugins,"
            " task_fingerprint, seed, task, family, configuration, curve, seconds, finished_at, extras, checksum"
            " FROM metaopt_evaluations"
        )
    connection.close()


def test_a_batch_is_stored_as_a_whole_or_not_at_all(ledger):
    broken = dataclasses.replace(evaluation(3), task=None)
    with pytest.raises(metaopt.StorageError, match=r"cannot be written: NOT NULL .*what it held before is intact"):
        ledger.add([evaluation(1), evaluation(2), broken])
    assert ledger.evaluations(["print-task"]) == []


def test_proposals_and_outcomes_come_back_in_order(ledger):
    configuration = Configuration("sgd", "cosine", hparams={"sgd.lr": 0.1, "sgd.nesterov": True})
    ledger.propose("s", [Proposal(number, 0, configuration, {"optimizer": "sgd", "x": 0.1}) for number in (0, 1)])
    ledger.propose("s", [Proposal(2, 1, configuration, {})])
    ledger.conclude(
        "s", [RaceOutcome(1, {5: 0.25, 10: 0.5}, True, {"a": 0.5}), RaceOutcome(0, {5: -0.1}, False, {"a": -0.1})]
    )
    assert [(proposal.number, proposal.batch) for proposal in ledger.proposals("s")] == [(0, 0), (1, 0), (2, 1)]
    assert ledger.proposals("s")[0].params == {"optimizer": "sgd", "x": 0.1}
    first, second = ledger.outcomes("s")
    assert (first.objective, first.tasks_done, first.complete) == (-0.1, 5, False)
    assert (second.objective, second.tasks_done, second.complete) == (0.5, 10, True)
    assert ledger.proposals("another") == ledger.outcomes("another") == []


def test_a_study_continues_only_with_the_settings_it_was_begun_with(ledger, url):
    identity = {"tasks": {"iris": "aa", "wine": "bb"}, "seed": 0, "race": {"blocks": [5, 10]}}
    ledger.claim("mine", identity)
    ledger.claim("mine", {**identity, "race": {"blocks": (5, 10)}})
    ledger.claim("other", {**identity, "seed": 1})
    changed = {"tasks": {"iris": "changed", "spirals": "cc"}, "seed": 1, "race": {"blocks": [5, 10]}}
    with pytest.raises(metaopt.StorageError) as caught:
        ledger.claim("mine", changed)
    message = str(caught.value)
    assert "'mine'" in message
    assert path_of(url) in message
    assert "seed was 0, is 1" in message
    assert "tasks → iris was 'aa', is 'changed'" in message
    assert "tasks → spirals is new" in message
    assert "tasks → wine is gone" in message
    assert "use another --study-name" in message
    assert caught.value.exit_code == 2


def test_a_ledger_of_another_schema_is_refused_and_left_alone(url):
    Ledger(url).close()
    with sqlite3.connect(path_of(url)) as connection:
        connection.execute("UPDATE metaopt_info SET value = '99'")
    connection.close()
    before = Path(path_of(url)).read_bytes()
    with pytest.raises(metaopt.StorageError, match="schema 99, this metaopt writes schema 3; use the metaopt that"):
        Ledger(url)
    assert Path(path_of(url)).read_bytes() == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("study.db", "The storage 'study.db' cannot be opened"),
        ("sqlite:////nowhere/at/all/study.db", "cannot be opened: unable to open database file"),
        ("nosuchdb://host/db", "cannot be opened: .*nosuchdb"),
        ("postgresql://user:secret@127.0.0.1:1/db", "cannot be opened"),
    ],
    ids=["no URL", "no such folder", "no such database", "not reachable"],
)
def test_a_storage_that_cannot_be_opened_is_named(url, message):
    with pytest.raises(metaopt.StorageError, match=message) as caught:
        Ledger(url)
    assert "secret" not in str(caught.value)


def test_a_folder_or_a_text_is_no_ledger(tmp_path):
    with pytest.raises(metaopt.StorageError, match="cannot be opened: unable to open database file"):
        Ledger(f"sqlite:///{tmp_path}")
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and longer than a header of SQLite would be " * 20)
    with pytest.raises(metaopt.StorageError, match="cannot be opened: file is not a database"):
        Ledger(f"sqlite:///{text}")
    assert text.read_text().startswith("not a database")


def test_a_ledger_that_may_only_be_read_can_be_read(url):
    full = Ledger(url)
    full.add([evaluation(1)])
    full.close()
    reading = Ledger(f"sqlite:///file:{path_of(url)}?mode=ro&uri=true")
    assert len(reading.evaluations(["print-task"])) == 1
    with pytest.raises(metaopt.StorageError, match="cannot be written: attempt to write a readonly database"):
        reading.add([evaluation(2)])
    reading.close()


def test_a_database_that_someone_else_uses_too_is_shared(url):
    with sqlite3.connect(path_of(url)) as connection:
        connection.execute("CREATE TABLE mine (x)")
        connection.execute("INSERT INTO mine VALUES (7)")
    connection.close()
    Ledger(url).close()
    with sqlite3.connect(path_of(url)) as connection:
        assert connection.execute("SELECT x FROM mine").fetchall() == [(7,)]
    connection.close()


FULL_DISK = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
import test_ledger
from metaopt.tuning.ledger.ledger import Ledger
ledger = Ledger(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
for number in range(1000):
    ledger.add([test_ledger.evaluation(number, length=100)])
"""


@pytest.mark.slow
def test_a_full_disk_ends_in_a_sentence_and_keeps_the_earlier_rows(url):
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", FULL_DISK, url, here], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert "StorageError" in last
    assert "cannot be written: the disk is full" in last
    assert "what it held before is intact" in last
    ledger = Ledger(url)
    kept = ledger.evaluations(["print-task"])
    assert 5 < len(kept) < 100
    for number, one in enumerate(kept):
        assert one.key == evaluation(number).key
        assert len(one.curve.values) == 100
    ledger.add([evaluation(2000)])
    assert len(ledger.evaluations(["print-task"])) == len(kept) + 1
    ledger.close()


def test_someone_may_read_while_it_is_written(url):
    writer, reader = Ledger(url), Ledger(url)
    counts: list[int] = []
    writing = threading.Event()

    def write():
        for number in range(40):
            writer.add([evaluation(number), evaluation(number, seed=1)])
        writing.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not writing.is_set():
        counts.append(len(reader.evaluations(["print-task"])))
    thread.join()
    counts.append(len(reader.evaluations(["print-task"])))
    assert counts == sorted(counts)
    assert all(count % 2 == 0 for count in counts)
    assert counts[-1] == 80
    for ledger in (writer, reader):
        ledger.close()


def test_what_an_evaluation_costs_does_not_depend_on_how_many_are_stored(ledger):
    ledger.add([evaluation(number) for number in range(2000)])
    wanted = [evaluation(number).key for number in range(1990, 2010)]
    assert set(ledger.find(wanted)) == set(wanted[:10])


def test_a_ledger_in_memory_says_so(url):
    for address, expected in (("sqlite://", True), ("sqlite:///:memory:", True), (url, False)):
        ledger = Ledger(address)
        assert ledger.in_memory is expected
        ledger.close()
