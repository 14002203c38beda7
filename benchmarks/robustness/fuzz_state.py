"""Ledgers, state_dicts and whole commands."""

import contextlib
import io
import os
import random
import shutil
import sqlite3
import tempfile
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

import metaopt
from benchmarks.robustness.fuzz_truth import hostile, require
from metaopt import cli

_CELLS = ("xx", "{}", "[]", "null", "", None, 0, -1, 1e300, "NaN", b"\xff\0", "x" * 5_000, "[" * 5_000, "9" * 5_000)


def _task() -> metaopt.Task:
    rows = metaopt.Split(torch.ones(32, 2), torch.ones(32, 1))
    loss = nn.functional.mse_loss
    return metaopt.Task("t", "f", lambda: nn.Linear(2, 1), metaopt.Splits(rows, rows, rows), loss, num_steps=4)


def _tuned(folder: Path) -> pd.DataFrame:
    result = metaopt.tune(
        [_task()],
        n_trials=2,
        storage=f"sqlite:///{folder / 'study.db'}",
        optimizers=["sgd"],
        controllers=["constant"],
        wrappers=[],
        against=[],
        announce=lambda line: None,
    )
    return result.evaluations_dataframe()


@cache
def _study() -> tuple[Path, pd.DataFrame]:
    folder = Path(tempfile.mkdtemp(prefix="fuzzed-study"))
    return folder, _tuned(folder)


def ledger(rng: random.Random, folder: Path) -> None:
    """A ledger with a damaged cell is refused, or the cell decides nothing."""
    origin, expected = _study()
    shutil.copytree(origin, folder, dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "study.db")) as database:
        tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
        table = rng.choice([name for name in tables if name.startswith("metaopt")])
        columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
        act = rng.random()
        with contextlib.suppress(sqlite3.IntegrityError):
            if act < 0.8:
                database.execute(f"update {table} set {rng.choice(columns)} = ?", (rng.choice(_CELLS),))
            elif act < 0.9:
                database.execute(f"drop table {table}")
            else:
                database.execute(f"delete from {table}")
        database.commit()
    if rng.random() < 0.1:
        content = (folder / "study.db").read_bytes()
        (folder / "study.db").write_bytes(content[: rng.randrange(len(content))])
    evaluations = _tuned(folder)
    measured = ["validation", "test", "score"]
    same = [frame.set_index(["configuration_key", "seed"])[measured].sort_index() for frame in (evaluations, expected)]
    # what is trained again is trained in other company, and rounded otherwise
    is_same = same[0].index.equals(same[1].index) and np.allclose(*same, rtol=1e-4, equal_nan=True)
    require(is_same, f"{table} changed what was measured")


def state_dict(rng: random.Random, folder: Path) -> None:
    """A state that is not one's own is refused at load, and what loads can go on."""
    name = rng.choice(["adamw", "sgd", "lion", "schedulefree_adamw"])
    controller = rng.choice(["constant", "cosine", "plateau"])
    recipe = metaopt.Recipe.create(
        metaopt.Configuration(name, controller), metaopt.StopperConfiguration("patience", {"patience": 0.5})
    )
    model, fresh_model = nn.Linear(3, 2), nn.Linear(3, 2)
    run, fresh = recipe.bind(model, total_steps=20), recipe.bind(fresh_model, total_steps=20)
    _steps(model, run)
    part = rng.choice(["run", "optimizer", "scheduler", "stopper"])
    state = {"run": run, "optimizer": run.optimizer, "scheduler": run.scheduler, "stopper": run.stopper}[part]
    target = {"run": fresh, "optimizer": fresh.optimizer, "scheduler": fresh.scheduler, "stopper": fresh.stopper}[part]
    if state is None or target is None:
        return
    document = _damaged_state(rng, deepcopy(state.state_dict()))
    target.load_state_dict(document)
    _steps(fresh_model, fresh)


def _damaged_state(rng: random.Random, document: Any) -> Any:
    if isinstance(document, torch.Tensor):
        return rng.choice([torch.ones(7, 7), torch.full_like(document, 3), document.double(), 3, None, "x"])
    if isinstance(document, dict) and document:
        key = rng.choice(list(document))
        if rng.random() < 0.2:
            return {name: value for name, value in document.items() if name != key}
        return {**document, key: _damaged_state(rng, document[key])}
    if isinstance(document, list) and document and rng.random() < 0.8:
        place = rng.randrange(len(document))
        return [*document[:place], _damaged_state(rng, document[place]), *document[place + rng.randint(0, 1) :]]
    return hostile(rng)


def _steps(model: nn.Module, run: Any) -> None:
    for _ in range(3):
        run.optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        run.step(loss)
    run.observe(loss.item())


def command(rng: random.Random, folder: Path) -> None:
    """A command ends with 0 or 2, and says one line about what is wrong."""
    words = [
        "x" * 5_000,
        "\udcff",
        "",
        "/dev/zero",
        "nowhere",
        "default",
        str(folder),
        "sys:exit",
        "builtins:input",
        "1",
    ]
    options = ["--set", "--out", "--against", "--plugin", "--start-from", "--storage", "--baseline", "--seed", "--mode"]
    arguments = [
        rng.choice(["tune", "evaluate", "show", "replay", "report", "check", "import", "plugins", "x" * 5_000])
    ]
    arguments += [rng.choice(words) for _ in range(rng.randrange(3))]
    for _ in range(rng.randrange(3)):
        arguments += [
            rng.choice(options),
            rng.choice([*words, "10" * 300, "adamw.lr=1" + "0" * 400, "sqlite:///" + "a/" * 3_000]),
        ]
    if "tune" in arguments[:1] and "--out" not in arguments:
        arguments += ["--out", str(folder / "out")]
    errors, here = io.StringIO(), os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            code = cli.run(arguments)
    finally:
        os.chdir(here)
    message = errors.getvalue()
    shortened = [argument[:40] for argument in arguments]
    if code not in (0, 2) or "Traceback" in message or "(unexpected;" in message:
        raise RuntimeError(f"{shortened} exits with {code}: {message[-600:]}")
    if code == 2:
        raise metaopt.InputError(message.strip().splitlines()[-1] if message.strip() else "")
