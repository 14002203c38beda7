"""Small tasks that train in milliseconds, and a ledger to run them through."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.plugin.registry import Registry, current_registry
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator


def rows_of(seed, count, slope, noise=0.1):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 3, generator=generator)
    return metaopt.Split(inputs, inputs @ slope + noise * torch.randn(count, 1, generator=generator))


def _make_task(name="line", family="lines", *, seed=0, num_steps=20, **fields):
    """Linear regression on 64 rows; every task has slopes of its own."""
    slope = torch.randn(3, 1, generator=torch.Generator().manual_seed(1000 + seed))
    splits = metaopt.Splits(*(rows_of(3 * seed + part, count, slope) for part, count in enumerate((64, 32, 32))))
    settings = {
        "model": partial(nn.Linear, 3, 1),
        "data": splits,
        "loss": F.mse_loss,
        "batch_size": 16,
        "num_validations": 5,
        **fields,
    }
    return metaopt.Task(name=name, family=family, num_steps=num_steps, **settings)


def _make_tasks(count, *, families=1, **fields):
    return [
        _make_task(f"line{index}", f"lines{index % families}" if families > 1 else "lines", seed=index, **fields)
        for index in range(count)
    ]


@pytest.fixture
def registry() -> Registry:
    return current_registry()


@pytest.fixture
def evaluator(registry):
    made = Evaluator(Ledger("sqlite://"), registry)
    yield made
    made.ledger.close()


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def restored(tmp_path):
    """Makes a database of the SQL in a file, and returns its path."""

    def database_of(sql):
        path = tmp_path / "study.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(sql.read_text())
        return path

    return database_of


@pytest.fixture
def make_task():
    """`make_task(name, family, seed=, num_steps=, **fields)`: linear regression that trains in milliseconds."""
    return _make_task


@pytest.fixture
def make_tasks():
    """`make_tasks(count, families=, **fields)`: so many of them, spread over so many families."""
    return _make_tasks


class Children:
    """Children of one process, which has imported all they need; each tunes with `killable.py`'s arguments."""

    def __init__(self, process):
        self._process = process

    def begin(self, url, folder, corpus="lines", study="metaopt"):
        """Process id of a child that tunes."""
        self._process.stdin.write(f"{url} {folder} {corpus} {study}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def status(self):
        """Exit status of the child, once it has ended."""
        return int(self._process.stdout.readline())

    @staticmethod
    def recipe_in(folder):
        """What a child saved, without the time at which it did, and that which it took."""
        document = json.loads((folder / "recipe.json").read_text())
        del document["provenance"]["created"]
        document["provenance"].get("meta_training", {}).pop("seconds", None)
        return document


@pytest.fixture(scope="module")
def children():
    """See `Children`."""
    with contextlib.contextmanager(_children)() as made:
        yield made


@pytest.fixture(scope="module")
def other_children():
    """Those that run beside `children`."""
    with contextlib.contextmanager(_children)() as made:
        yield made


def _children():
    script = Path(__file__).with_name("killable.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Children(process)
        process.stdin.close()
