"""A folder of tiny tables, and one study of it that the tests of several commands look at."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from metaopt import cli
from metaopt.plugin import registry
from metaopt.report import page
from tests.tasks.example_folders import write_lines

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


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """Folders of images by class, of texts a line, and of a table of texts with labels, each one task; and new ones."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    home, known = tmp_path_factory.mktemp("media"), load_digits(n_class=2)
    for place, (pixels, label) in enumerate(zip(known.images[:130], known.target, strict=False)):
        path = (
            home / ("new" if place >= 120 else "digits") / (f"{label}" if place < 120 else "") / f"{label}-{place}.PNG"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray((pixels * 15.9).astype(np.uint8)).save(path)
    write_lines(home / "languages", each=40)
    rows = [
        f"{text};{path.stem}"
        for path in (home / "languages").iterdir()
        for text in path.read_text().split("\n")
        if text
    ]
    (home / "talk").mkdir()
    (home / "talk" / "talk.csv").write_text("said;language\n" + "\n".join(rows))
    for folder, table in (("digits", ""), ("languages", ""), ("talk", "[talk]\n")):
        (home / folder / "corpus.toml").write_text(f"{table}num_steps = 30\nnum_validations = 3\n")
    (home / "new.csv").write_text("number;said\n1;der hund lief auf katze die\n2;that cat sat on the mat\n")
    (home / "new.txt").write_text("der hund lief auf katze die\nthat cat sat on the mat\n")
    return home
