import os
import signal
from pathlib import Path

import pytest

import metaopt
from metaopt.tuning.workers import Job, WorkerError, Workers

CHOICE = {"optimizers": ["adamw", "sgd"], "controllers": ["constant"], "wrappers": [], "against": ["sgd"]}


@pytest.fixture
def lines():
    return []


@pytest.fixture
def workers(lines):
    made = Workers(2, announce=lines.append)
    yield made
    made.close()


def jobs_of(function, arguments):
    return [Job(f"Task {argument!r}", function, (argument,)) for argument in arguments]


@pytest.mark.slow
def test_jobs_run_elsewhere_and_a_worker_that_dies_is_replaced(workers, lines, tmp_path):
    marker = tmp_path / "was here"

    def square(number):
        if number == 3 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2, os.getpid()

    found = dict(workers.results(jobs_of(square, range(6))))
    assert {position: square for position, (square, _) in found.items()} == {n: n**2 for n in range(6)}
    assert os.getpid() not in {process for _, process in found.values()}
    assert lines == ["A worker process died or hung; it is replaced and its work is repeated."]

    def refuse(number):
        raise metaopt.InputError(f"Task {number} has no data.")

    with pytest.raises(metaopt.InputError, match="Task 7 has no data"):
        list(workers.results(jobs_of(refuse, [7])))


@pytest.mark.slow
def test_a_job_that_always_takes_its_worker_down_is_named(workers):
    def fatal(name):
        if name == "bad":
            os._exit(9)
        return name

    with pytest.raises(
        WorkerError, match=r"Task 'bad' took its worker process down 3 times .* run it alone to see why"
    ):
        list(workers.results(jobs_of(fatal, ["bad", "good"])))


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
