"""A folder of tiny tables, and one study of it that the tests of several commands look at."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from metaopt import cli
from metaopt.plugin import registry
from metaopt.report import page

#: Few plugins, so that candidates of the same kind train side by side in milliseconds.
_SMALL = ("--n-trials", "4", "--optimizers", "adamw,sgd", "--controllers", "constant,cosine")


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


def _run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def _write_tables(folder, count=6):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        generator = np.random.default_rng(index)
        inputs = generator.normal(size=(60, 2))
        targets = inputs @ generator.normal(size=2) + 0.1 * generator.normal(size=60)
        rows = [
            f"{first:.4f},{second:.4f},{target:.4f}" for (first, second), target in zip(inputs, targets, strict=True)
        ]
        (folder / f"line{index}.csv").write_text("\n".join(["first,second,target", *rows]) + "\n")
    (folder / "corpus.toml").write_text("[defaults]\nnum_steps = 20\nnum_validations = 4\nbatch_size = 16\n")
    return folder


@dataclass(frozen=True)
class Tuned:
    """A study on disk, the command that made it, and what it printed."""

    corpus: Path
    folder: Path
    command: tuple[str, ...]
    ran: Ran


@pytest.fixture(scope="session")
def tuned(tmp_path_factory):
    """Tuned with two folds. Copy the folder before writing to it."""
    home = tmp_path_factory.mktemp("tuned")
    corpus, folder = _write_tables(home / "tables"), home / "out"
    command = ("tune", str(corpus), *_SMALL, "--folds", "2")
    return Tuned(corpus, folder, command, _run(*command, "--out", folder))


@pytest.fixture(scope="session")
def run():
    """`run(*arguments)`: run a command line in this process."""
    return _run


@pytest.fixture(scope="session")
def write_tables():
    """`write_tables(folder, count=6)`: tables that a linear model fits, each with slopes of its own."""
    return _write_tables


@pytest.fixture
def own_registry(monkeypatch):
    """What a test loads stays in that test."""
    monkeypatch.setattr(registry, "_current", None)


@pytest.fixture
def tables_only(monkeypatch):
    """Pages without plots, as where matplotlib is missing: a test that is not about plots need not wait for them."""
    monkeypatch.setattr(page, "_drawings", lambda result, folder: None)
