"""Tables and files of runs whose truth is known, written down in other ways; dialects: `benchmarks.tables`."""

import csv
import gzip
import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.robustness.fuzz_truth import damaged, require
from metaopt.contracts import Task
from metaopt.errors import InputError
from metaopt.tasks.tables.csv_folder import load_csv_folder
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.table import task_from_frame
from metaopt.tuning.recorded.runs_file import read_runs

Rows = list[list[str]]

_GAPS = ("", "?", "NA", "N/A", "NaN", "nan", "NULL", "null")
_SPACES = ("", "", "", " ", "  ", "\t", "\u00a0")
_COLOURS = ("red", "green", "Köln", "New York", "x")


def table(rng: random.Random, folder: Path) -> None:
    """A table is read as what it says, or refused."""
    frame = _frame(rng)
    rows = _text(rng, frame)
    meant = rng.random() < 0.4
    settings = "" if rng.random() < 0.8 else "[defaults]\nnum_steps = 30\n"
    if meant:  # the same table in other dress
        content, name = _encoded(rng, _dressed(rng, rows))
        expected = task_from_frame(frame, "t", TableSettings(num_steps=30 if settings else 400), "truth")
        (folder / "corpus.toml").write_text(settings)
        (folder / name).write_bytes(content)
        (task,) = load_csv_folder(folder)
        require(isinstance(task, Task) and _same(task, expected), f"a table in other dress: {content[:300]!r}")
        return
    # it means something else, or nothing: refused, or as without the change
    change = rng.choice(_CHANGES)
    content = change(rng, rows)
    name = "t.csv"
    if rng.random() < 0.15:
        content, name = damaged(rng, gzip.compress(content)), "t.csv.gz"
    (folder / name).write_bytes(content)
    expected = task_from_frame(frame, "t", TableSettings(), "truth")
    (task,) = load_csv_folder(folder)
    harmless = change is _cut_bytes
    require(harmless or _same(task, expected), f"{change.__name__}: {content[:300]!r}")


def _same(task: Task, expected: Task) -> bool:
    return task.num_steps == expected.num_steps and all(
        actual.shape == target.shape and torch.allclose(actual, target, atol=1e-5)
        for part in ("train", "validation", "test")
        for actual, target in (
            (getattr(task.splits, part).inputs, getattr(expected.splits, part).inputs),
            (getattr(task.splits, part).targets, getattr(expected.splits, part).targets),
        )
    )


def _frame(rng: random.Random) -> pd.DataFrame:
    """A table of ordinary columns: numbers with gaps, whole numbers, booleans, categories with gaps, a target."""
    size = rng.randrange(20, 60)
    draw = np.random.default_rng(rng.randrange(2**32))
    columns = {
        "price": draw.normal(size=size).round(rng.randrange(1, 6)) * 10.0 ** rng.randrange(-3, 4),
        "rooms": draw.integers(0, 9, size),
        "large": draw.integers(10**6, 10**15, size),
        "is_new": draw.integers(0, 2, size).astype(bool),
        "colour": draw.choice(_COLOURS[: rng.randrange(2, 6)], size).astype(object),
        "gaps": np.where(draw.random(size) < 0.2, np.nan, draw.normal(size=size)),
    }
    chosen = rng.sample(list(columns), rng.randrange(1, 7))
    frame = pd.DataFrame({name: columns[name] for name in chosen})
    if "colour" in frame and rng.random() < 0.5:
        frame.loc[draw.random(size) < 0.1, "colour"] = np.nan
    labels = [f"{row % 2}" for row in range(size)]
    target = rng.choice(["text", "codes", "numbers"])
    frame["target"] = (
        [("no", "yes")[int(label)] for label in labels]
        if target == "text"
        else [int(label) for label in labels]
        if target == "codes"
        else draw.normal(size=size)
    )
    return frame


def _text(rng: random.Random, frame: pd.DataFrame) -> Rows:
    def cell(value: object) -> str:
        if isinstance(value, float):
            return rng.choice(_GAPS) if np.isnan(value) else repr(float(value))
        return str(value)

    return [list(frame.columns), *([cell(value) for value in row] for row in frame.itertuples(index=False))]


def _dressed(rng: random.Random, rows: Rows) -> Rows:
    """Spaces around cells."""
    spaces = _SPACES if rng.random() < 0.7 else ("",)
    return [[rng.choice(spaces) + cell + rng.choice(spaces) for cell in row] for row in rows]


def _encoded(rng: random.Random, rows: Rows) -> tuple[bytes, str]:
    newline, mark = rng.choice(["\n", "\r\n"]), rng.choice(["", "", "\ufeff"])
    content = (mark + _written(rows, rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), newline)).encode()
    return (gzip.compress(content), "t.csv.gz") if rng.random() < 0.3 else (content, "t.csv")


def _written(rows: Rows, quoting: int = csv.QUOTE_MINIMAL, newline: str = "\n", separator: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator=newline, delimiter=separator).writerows(rows)
    return text.getvalue()


def _column(rows: Rows, place: int, change: Callable[[str, int], str]) -> bytes:
    changed = [[change(cell, row) if at == place else cell for at, cell in enumerate(cells)]
               for row, cells in enumerate(rows[1:])]  # fmt: skip
    return _written([rows[0], *changed]).encode()


def _added(rows: Rows, name: str, cell: Callable[[int], str], place: int = 0) -> bytes:
    """The table with a column that is no feature: it must be refused, for nobody says what it means."""
    header = [*rows[0][:place], name, *rows[0][place:]]
    return _written(
        [header, *([*row[:place], cell(number), *row[place:]] for number, row in enumerate(rows[1:]))]
    ).encode()


def _identifier(rng: random.Random, rows: Rows) -> bytes:
    name = rng.choice(["id", "user_id", "", "PassengerId", "Unnamed: 0", "row"])
    return _added(rows, name, str, rng.choice([0, len(rows[0])]))


def _header_again(rng: random.Random, rows: Rows) -> bytes:
    place = rng.randrange(1, len(rows) + 1)
    return _written([*rows[:place], rows[0], *rows[place:]]).encode()


def _no_header(rng: random.Random, rows: Rows) -> bytes:
    return _written([rows[1], *rows[1:]]).encode()


def _doubled_name(rng: random.Random, rows: Rows) -> bytes:
    return _added(rows, rng.choice(rows[0]) + rng.choice(["", " ", "\u00a0"]), lambda row: str(row % 3))


def _separated(rng: random.Random, rows: Rows) -> bytes:
    return _written(rows, separator=rng.choice(";\t|")).encode()


def _other_encoding(rng: random.Random, rows: Rows) -> bytes:
    rows = [[*rows[0][:-1], "Größe"], *rows[1:]]
    return _written(rows).encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "latin-1"]))


def _ragged(rng: random.Random, rows: Rows) -> bytes:
    place = rng.randrange(1, len(rows))
    row = rows[place][:-1] if rng.random() < 0.5 else [*rows[place], "1"]
    return _written([*rows[:place], row, *rows[place + 1 :]]).encode()


def _infinite(rng: random.Random, rows: Rows) -> bytes:
    value = rng.choice(["inf", "-inf", "1e400", "1e31", "9" * 400, "-Infinity"])
    return _added(rows, "size", lambda row: value if row == 7 else f"{row % 7}.5", rng.randrange(len(rows[0])))


def _few(rng: random.Random, rows: Rows) -> bytes:
    return _written(rows[: rng.randrange(0, 9)]).encode()


def _gap_in_target(rng: random.Random, rows: Rows) -> bytes:
    gap = rng.choice([*_GAPS, " ", " ?"])
    return _column(rows, len(rows[0]) - 1, lambda cell, row: gap if row == 3 else cell)


def _constant_target(rng: random.Random, rows: Rows) -> bytes:
    return _column(rows, len(rows[0]) - 1, lambda cell, row: "7")


def _null_bytes(rng: random.Random, rows: Rows) -> bytes:
    content = _written(rows).encode()
    place = rng.randrange(len(content))
    return content[:place] + b"\0" + content[place:]


def _cut_bytes(rng: random.Random, rows: Rows) -> bytes:
    return damaged(rng, _written(rows).encode())


_CHANGES: tuple[Callable[[random.Random, Rows], bytes], ...] = (
    _identifier, _header_again, _doubled_name, _separated,
    _other_encoding, _ragged, _infinite, _few, _gap_in_target, _constant_target, _null_bytes, _cut_bytes,
)  # fmt: skip


def runs(rng: random.Random, folder: Path) -> None:
    """A file of runs is read as what it says, or refused."""
    truth = {(f"c{candidate}", task): [rng.random() for _ in range(4)] for task in ("a", "b") for candidate in range(3)}
    rows = [["candidate", "task", "step", "value"]]
    for (candidate, task), values in truth.items():
        rows += [[candidate, task, str(step + 1), repr(value)] for step, value in enumerate(values)]
    path = folder / "runs.csv"
    if rng.random() < 0.4:
        content, name = _encoded(rng, _dressed(rng, rows))
        path = folder / name
    else:
        act = rng.choice(["cell", "bytes", "gz", "ragged", "header", "separator", "doubled"])
        place, column = rng.randrange(1, len(rows)), rng.randrange(4)
        if act == "cell":
            rows[place][column] = rng.choice(
                [
                    "",
                    " ",
                    "inf",
                    "-inf",
                    "nan",
                    "1e400",
                    "9" * 5_000,
                    "x" * 5_000,
                    "{x}",
                    "{",
                    "3,5",
                    "\ud7ff",
                    "-",
                    "%",
                ]
            )
        elif act == "ragged":
            rows[place] = rows[place][:-1] if rng.random() < 0.5 else [*rows[place], "1"]
        elif act == "header":
            rows[0][column] = rng.choice(["", "x" * 5_000, "task", "mode", "family", "{value}"])
        elif act == "doubled":
            rows.insert(place, rows[place])
        content = _written(rows, separator=";" if act == "separator" else ",").encode()
        if act == "bytes":
            content = damaged(rng, content)
        if act == "gz":
            content, path = damaged(rng, gzip.compress(content)), folder / "runs.csv.gz"
        if act in ("cell", "bytes", "gz"):
            truth = {}
    path.write_bytes(content)
    recorded = read_runs(path)
    for (candidate, task), values in truth.items():
        best = np.minimum.accumulate(values)
        require(
            np.allclose(recorded.curves[task][candidate].values, best), f"run {candidate} on {task}: {content[:300]!r}"
        )
    if not truth and not recorded.curves:
        raise InputError("nothing was read.")
