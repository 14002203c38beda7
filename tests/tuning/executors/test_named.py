"""Executors are found by name, and what is not there is told in a sentence."""

import re
import subprocess
import sys

import pytest

import metaopt
from metaopt.tuning.executors.local import LocalExecutor
from metaopt.tuning.executors.named import GROUP, dispatcher
from metaopt.tuning.executors.protocol import ExecutorError

POINTS = """
[metaopt.executors]
inline = inline_executor:create
broken = inline_executor:nothing
"""
MODULE = '''
from metaopt.tuning.executors.protocol import Ended


class Inline:
    """Runs each block at once, where it is submitted."""

    is_elsewhere = True

    def __init__(self, settings):
        self.ended, self.count = [], 0
        settings.setup()()
        settings.announce(f"begun with {settings.workers} at {settings.address}")

    def submit(self, block, waiting):
        function, arguments = block.call()
        self.count += 1
        self.ended.append(Ended(self.count, result=function(*arguments)))
        return self.count

    def finished(self, timeout):
        ended, self.ended = self.ended, []
        return ended

    def cancel(self, tickets):
        pass

    def is_alive(self):
        return True

    def close(self):
        pass


def create(settings):
    return Inline(settings)
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with an executor of its own."""
    folder = tmp_path / "inline_executor-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: inline-executor\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(POINTS)
    (tmp_path / "inline_executor.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def made(name, workers=None, address=None, announce=print):
    return dispatcher(name, workers, address, announce, None)


def test_one_local_process_is_the_driver_itself():
    assert made("local") is None
    assert made("local", 1) is None
    executor = made("local", 3).executor
    assert isinstance(executor, LocalExecutor)
    assert executor.count == 3


@pytest.mark.parametrize(
    ("name", "address", "sentence"),
    [
        ("lokal", None, "There is no executor 'lokal'; did you mean 'local'? known: local, ray."),
        ("local", "auto", "--address is that of a cluster; choose one with --executor ray."),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(make_task, name, address, sentence):
    with pytest.raises(metaopt.InputError, match=f"^{re.escape(sentence)}$"):
        metaopt.tune([make_task()], n_trials=1, executor=name, address=address)


@pytest.mark.slow
def test_an_executor_of_an_installed_distribution_runs_the_blocks(installed, make_tasks):
    lines = []
    choice = {"optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "against": [], "n_trials": 2}
    tasks = make_tasks(2, num_steps=6, num_validations=3)
    there = metaopt.tune(tasks, executor="inline", address="here", announce=lines.append, **choice)
    assert "begun with None at here" in lines
    assert there.judged == metaopt.tune(tasks, **choice).judged


def test_an_executor_that_cannot_be_loaded_is_named(installed):
    with pytest.raises(ExecutorError, match=r"^The executor 'broken' cannot be loaded: AttributeError: .*nothing"):
        made("broken")
    assert GROUP == "metaopt.executors"


@pytest.mark.slow
def test_without_ray_nothing_of_it_is_imported():
    code = "import sys, metaopt, metaopt.tuning.tune_corpus; print('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
