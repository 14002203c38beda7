"""On a cluster whose machines and workers are killed, a study ends as it would have at home."""

import dataclasses
import importlib
import os
import signal
import sys
import threading
import time

import pytest

import metaopt
from metaopt.plugin import current_registry
from metaopt.tuning.executors import dispatcher as dispatcher_module
from metaopt.tuning.executors.protocol import Block, ExecutorError, Shared
from metaopt.tuning.executors.ray_cluster import beginnings as beginnings_module
from metaopt.tuning.executors.ray_cluster import connection as connection_module
from metaopt.tuning.executors.ray_cluster import executor as executor_module
from metaopt.tuning.executors.ray_cluster.refusals import WAITING
from metaopt.tuning.ledger.ledger import Ledger
from tests.tuning.executors.ray_cluster.conftest import assert_same_runs, free_port, light

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

CHOICE = {
    "optimizers": ["mine"],
    "controllers": ["constant"],
    "wrappers": [],
    "against": ["sgd"],
    "n_trials": 2,
    "folds": 2,
}
PLUGIN = '''
import torch
import metaopt


class Mine(torch.optim.SGD):
    """Of a file that is on no other machine."""


@metaopt.hookimpl
def metaopt_plugins():
    return [metaopt.optimizer_spec(Mine, name="mine")]
'''
#: A corpus as users have it: a module in the folder that they work in.
CORPUS = """
import os
import signal
from pathlib import Path

import metaopt

FOLDER = None


def descend(recipe, seed):
    print("a line of the job")
    marker = Path(FOLDER) / "was killed"
    if seed == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    rate = recipe.configuration.hparams.get("mine.lr", 0.01)
    for step in range(1, 4):
        yield step, 1.0 / (1 + rate) ** step + 0.01 * seed
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "jobs_of_mine.py").write_text(CORPUS.replace("= None", f"= {str(tmp_path)!r}"))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("jobs_of_mine")
    del sys.modules["jobs_of_mine"]


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    registry = current_registry()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    registry.load_file(file)


def stored(url):
    ledger = Ledger(url)
    try:
        return sorted((*dataclasses.astuple(each.key), each.curve.values.tolist()) for each in ledger.evaluations())
    finally:
        ledger.close()


def test_a_study_whose_worker_and_machine_are_killed_ends_as_at_home(
    nodes, jobs, plugin, make_tasks, tmp_path, capfd, monkeypatch
):
    (tmp_path / "was killed").touch()  # at home it would be this process
    tasks = [
        *make_tasks(1, num_steps=6, num_validations=3),
        metaopt.BlackBoxTask(name="job", family="jobs", train=jobs.descend),
    ]
    urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("home", "cluster")}
    home = metaopt.tune(tasks, storage=urls["home"], **CHOICE)

    (tmp_path / "was killed").unlink()
    lines, gone = [], []

    def watch(progress):
        if progress.done > 12 and not gone:  # in the middle of it
            gone.append(nodes.take_away())
            nodes.bring_back()

    capfd.readouterr()
    there = metaopt.tune(
        tasks,
        storage=urls["cluster"],
        executor="ray",
        address=nodes.address,
        workers=2,  # each costs seconds of a processor, of which there may be two
        announce=lines.append,
        progress=watch,
        **CHOICE,
    )
    assert (tmp_path / "was killed").exists()
    assert there.judged == home.judged
    assert there.recipe.configuration == home.recipe.configuration
    assert_same_runs(there.comparison, home.comparison)
    assert stored(urls["cluster"]) == stored(urls["home"])
    assert any("its work is repeated" in line for line in lines)
    out, err = capfd.readouterr()
    assert not out
    assert "raylet" not in err
    assert "a line of the job" in (tmp_path / "cluster.db.ray.log").read_text()


def occupied(ray):
    """What holds a processor until it is killed; it waits for one where none is free."""

    class Held:
        pass

    return ray.remote(num_cpus=1)(Held).remote()


def test_blocks_of_other_resources_and_what_cannot_be(nodes, monkeypatch, tmp_path):
    monkeypatch.setattr(executor_module, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(executor_module, "_IDLE_SECONDS", 0.5)
    monkeypatch.setattr(dispatcher_module, "PATIENCE_SECONDS", 0.5)
    monkeypatch.chdir(tmp_path)  # where the cluster was not begun
    import ray

    lines, told, held, before = [], [], [], signal.getsignal(signal.SIGTERM)

    def make_room(line):
        told.append(line)
        for one in held:
            ray.kill(one)
        workers.close()

    other_study = light(1, nodes.address, make_room)
    workers = light(2, nodes.address, lines.append)

    def triple(base, number):
        return base * number, os.getpid()

    def fail(base):
        return base.nothing

    three = Shared("three", 3)
    try:
        blocks = [Block(f"Block {n}", triple, (n,), shared=three) for n in range(3)]
        halves = [Block(f"Half {n}", triple, (n,), resources={"num_cpus": 0.5}, shared=three) for n in range(1)]
        results = dict(workers.results([*blocks, *halves]))
        assert [results[position][0] for position in range(4)] == [0, 3, 6, 0]
        assert len({process for _, process in results.values()}) >= 2  # workers of two kinds
        with pytest.raises(metaopt.MetaOptError, match=r"^A worker on the machine .* of the cluster failed: Attribute"):
            list(workers.results([Block("Block", fail, (), shared=three)]))
        greedy = Block("Task 'greedy'", triple, (1,), resources={"num_gpus": 4}, shared=three)
        sentence = r"^Task 'greedy' needs num_cpus=1, num_gpus=4, and no machine of the cluster has that; ask for less"
        with pytest.raises(ExecutorError, match=sentence):
            list(workers.results([greedy]))
        assert dict(workers.results([Block("Block", os.getcwd, ())])) == {0: str(tmp_path)}  # for relative paths
        with pytest.raises(metaopt.MetaOptError, match=r"of the cluster failed: FileNotFoundError: .*'nowhere\.csv'"):
            list(workers.results([Block("Block", open, ("nowhere.csv",))]))
        assert not lines
        held = [occupied(ray) for _ in range(10)]  # what is left of the cluster, and more
        monkeypatch.setattr(beginnings_module, "_QUIET_SECONDS", 1.0)
        assert dict(other_study.results([Block("Block", pow, (2, 3))])) == {0: 8}
        assert told == [WAITING]
    finally:
        workers.close()
        other_study.close()
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) == before


def test_workers_that_die_as_they_begin_are_not_begun_for_ever(nodes, monkeypatch):
    monkeypatch.setattr(beginnings_module, "_FAILING_SECONDS", 0.0)
    monkeypatch.setattr(beginnings_module, "_FAILURES", 2)
    workers = light(1, nodes.address, setup=lambda: os._exit(1))
    try:
        with pytest.raises(
            ExecutorError, match=r"^2 workers of the cluster in a row died before they could begin: The"
        ):
            list(workers.results([Block("Block", pow, (2, 3))]))
    finally:
        workers.close()


def test_a_head_that_is_gone_is_asked_nothing_and_told(nodes, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "PATIENCE_SECONDS", 0.5)
    workers = light(1, nodes.address)
    connection = workers.executor.connection

    def asked():
        raise AssertionError("a dead head was asked")

    try:
        assert dict(workers.results([Block("Block", pow, (2, 3))])) == {0: 8}
        with monkeypatch.context() as gone:
            gone.setattr(connection, "_gcs", f"127.0.0.1:{free_port()}")
            gone.setattr(connection_module, "_SILENCE_SECONDS", 1.0)
            gone.setattr(connection.ray, "nodes", asked)
            with pytest.raises(ExecutorError, match=r"no longer answers; everything that has finished is stored"):
                list(workers.results([Block("Block", time.sleep, (60,))]))
    finally:
        workers.close()


def test_who_presses_ctrl_c_leaves_nothing_behind(nodes, tmp_path):
    import ray

    marker, driver = tmp_path / "has begun", os.getpid()

    def last(marker):
        marker.touch()
        time.sleep(120)

    def press():
        while not marker.exists():
            time.sleep(0.1)
        os.kill(driver, signal.SIGINT)
        while not ended.wait(20):  # Python loses an interrupt within a callback of a C extension: press again
            os.kill(driver, signal.SIGINT)

    ended = threading.Event()
    printed = print
    workers, lasting = light(1, nodes.address), Block("Block", last, (marker,))
    # What else ran in this process may have left a handler of its own.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=press, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            list(workers.results([lasting]))
    finally:
        ended.set()
        workers.close()
        signal.signal(signal.SIGINT, before)
    ray.init(nodes.address, log_to_driver=False, configure_logging=False)
    assert print is printed
    try:
        limit = time.monotonic() + 60
        while ray.available_resources().get("CPU", 0) < ray.cluster_resources()["CPU"]:
            assert time.monotonic() < limit, "a worker still holds a processor"
            time.sleep(0.2)
    finally:
        ray.shutdown()
