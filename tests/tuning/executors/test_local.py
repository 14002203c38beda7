import dataclasses
import math
import os
import signal
import time
from pathlib import Path

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.local import LocalExecutor
from metaopt.tuning.executors.protocol import Block, WorkerError
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.pace import Pace, extrapolated

pytestmark = pytest.mark.thorough

CHOICE = {"optimizers": ["adamw", "sgd"], "controllers": ["constant"], "wrappers": [], "against": ["sgd"]}


@pytest.fixture
def lines():
    return []


@pytest.fixture
def workers(lines):
    made = Dispatcher(LocalExecutor(2), announce=lines.append)
    yield made
    made.close()


@pytest.fixture
def impatient(lines):
    """Workers that have begun, since those that have not get more time."""
    made = Dispatcher(LocalExecutor(2), least_seconds=4.0, announce=lines.append)
    list(made.results(blocks_of(warm_up, range(4))))
    yield made
    made.close()


def warm_up(number):
    """Importing this module imports what evaluations need; it lasts long enough that each worker gets one."""
    time.sleep(1.0)


def blocks_of(function, arguments):
    return [Block(f"Task {argument!r}", function, (argument,)) for argument in arguments]


@pytest.mark.slow
def test_blocks_run_elsewhere_and_a_worker_that_dies_is_replaced(workers, lines, tmp_path):
    marker = tmp_path / "was here"

    def square(number):
        if number == 3 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2, os.getpid()

    results = dict(workers.results(blocks_of(square, range(6))))
    assert {position: square for position, (square, _) in results.items()} == {n: n**2 for n in range(6)}
    assert os.getpid() not in {process for _, process in results.values()}
    assert lines == ["A worker process died or hung; it is replaced and its work is repeated."]

    def refuse(number):
        raise metaopt.InputError(f"Task {number} has no data.")

    with pytest.raises(metaopt.InputError, match="Task 7 has no data"):
        list(workers.results(blocks_of(refuse, [7])))


@pytest.mark.slow
def test_a_worker_that_dies_while_idle_is_replaced(workers):
    processes = {process for _, process in workers.results(blocks_of(lambda number: os.getpid(), range(4)))}
    os.kill(processes.pop(), signal.SIGKILL)
    time.sleep(2.0)  # until the pool has noticed
    assert dict(workers.results(blocks_of(lambda number: number, range(4)))) == {n: n for n in range(4)}


@pytest.mark.slow
def test_a_block_that_always_takes_its_worker_down_is_named(workers):
    def fatal(name):
        if name == "bad":
            os._exit(9)
        return name

    with pytest.raises(
        WorkerError, match=r"Task 'bad' took its worker process down 3 times .* run it alone to see why"
    ):
        list(workers.results(blocks_of(fatal, ["bad", "good"])))


@pytest.mark.slow
def test_a_block_that_hangs_is_replaced_long_after_it_should_have_ended(impatient, lines, tmp_path):
    marker = tmp_path / "was here"

    def nap(number):
        if number == 3 and not marker.exists():
            marker.touch()
            time.sleep(600)
        time.sleep(0.4 if number == 4 else 0.0)
        return number, os.getpid()

    begun = time.monotonic()
    blocks = [Block(f"Task {number}", nap, (number,), seconds=0.01) for number in range(6)]
    assert sorted(number for _, (number, _) in impatient.results(blocks)) == list(range(6))
    assert time.monotonic() - begun < 60
    assert lines == ["A worker process died or hung; it is replaced and its work is repeated."]


@pytest.mark.slow
def test_tasks_that_hang_or_die_once_are_evaluated_again(registry, impatient, lines, tmp_path):
    def task(name, misfortune):
        def train(recipe, seed):
            marker = tmp_path / f"{name}{seed}"
            if seed == 1 and not marker.exists():
                marker.touch()
                misfortune()
            yield 1, 1.0 + seed

        return metaopt.BlackBoxTask(name=name, family="jobs", train=train)

    tasks = [
        task("hangs", lambda: time.sleep(600)),
        task("dies", lambda: os.kill(os.getpid(), signal.SIGKILL)),
        task("works", lambda: None),
    ]
    evaluator = Evaluator(Ledger("sqlite://"), registry, workers=impatient, predict=lambda task, members: 0.01)
    curves = evaluator.curves([Configuration("sgd")], tasks, [0, 1, 2])
    assert {(name, seed): curve.values.tolist() for (_, name, seed), curve in curves.items()} == {
        (one.name, seed): [1.0 + seed] for one in tasks for seed in range(3)
    }
    assert len(evaluator.evaluations(tasks)) == 9
    assert 1 <= len(lines) <= 9  # on a busy machine one that works may seem to hang, too
    evaluator.close()


def test_how_long_a_block_may_take_follows_from_its_prediction(registry, make_task):
    evaluator = Evaluator(Ledger("sqlite://"), registry, workers=Dispatcher(LocalExecutor(2)))
    pace = Pace(evaluator)
    task = make_task(num_steps=200)
    assert 0 < pace.seconds(task, 40) < pace.seconds(task, 80)
    # Of a tenth of a second a step and one a validation, beside two for the graphs.
    probes = (2 + 1.4, 1.4, 2.2, 6.2)
    assert extrapolated(probes, 200, 5) == pytest.approx(3.4 + 20 + 5)
    assert extrapolated(probes, 200_000, 5) > 20 * extrapolated(probes, 200, 5)
    assert extrapolated((1.0, 0.5, 0.4, 0.3), 200, 5) == 1.0  # probes that noise has turned round
    block = Block("Task", abs, (1,))
    assert Dispatcher(LocalExecutor(2)).timeout(block) == math.inf
    assert Dispatcher(LocalExecutor(2)).timeout(dataclasses.replace(block, seconds=0.5)) == 60
    assert Dispatcher(LocalExecutor(2)).timeout(dataclasses.replace(block, seconds=30.0)) == 600
    evaluator.close()


@pytest.mark.slow
def test_two_workers_decide_what_one_process_decides(make_tasks, url):
    tasks = make_tasks(3, num_steps=6, num_validations=3)
    path = str(Path(url.removeprefix("sqlite:///")).with_name("elsewhere"))

    def job(recipe, seed):
        Path(path).write_text(str(os.getpid()))
        yield 1, 1.0 / (1 + recipe.configuration.hparams.get("sgd.lr", 0.01))

    alone = metaopt.tune([*tasks, job], n_trials=4, **CHOICE)
    assert int(Path(path).read_text()) == os.getpid()
    shared = metaopt.tune([*tasks, job], n_trials=4, workers=2, storage=url, **CHOICE)
    assert int(Path(path).read_text()) != os.getpid()
    assert shared.judged == alone.judged
    assert shared.recipe.configuration == alone.recipe.configuration
    assert shared.cost.evaluations == alone.cost.evaluations
