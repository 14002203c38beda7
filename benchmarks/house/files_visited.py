"""How many files a call leads through: those of `metaopt/` and `plugins/` in which a function is entered.

    python -m benchmarks.house.files_visited [--only bind] [--recipe default] [--quiet] [--json]

Each path is taken twice in one process with the same arguments, and the second call counts: no imports, no caches that
fill. Module bodies do not count; functions, methods, lambdas, comprehensions and generators do,
in worker threads too. The paths:

- bind: `metaopt.load_recipe("default").bind(model, total_steps=...)`, or another recipe's, by name or folder
- observe: the first `run.observe(value)` of a run of it
- meta_train: `metaopt.meta_train("meta_sgd", ...)` on few-shot waves, 4 iterations
- tune: `metaopt.tune` over two small tasks in memory, one worker, 4 candidates
"""

import argparse
import json
import math
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import metaopt

#: Where `metaopt/` and `plugins/` lie: of the checkout that is imported, which may be another one than this file's.
ROOT = Path(metaopt.__file__).resolve().parents[1]
#: Files that each path may visit.
REACH = {"bind": 18, "observe": 10, "meta_train": 25, "tune": 70}
#: Lines that a file may have.
LONGEST = 300


@contextmanager
def entered() -> Iterator[Counter[CodeType]]:
    """Counts the functions that this thread, and threads begun meanwhile, enter."""
    counts: Counter[CodeType] = Counter()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            counts[frame.f_code] += 1

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield counts
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def visited(counts: Counter[CodeType]) -> dict[str, list[str]]:
    """The functions entered by file, relative to the checkout, most functions first."""
    files: dict[str, set[str]] = {}
    for code in counts:
        path = Path(code.co_filename)
        if code.co_name != "<module>" and any(path.is_relative_to(ROOT / part) for part in ("metaopt", "plugins")):
            files.setdefault(str(path.relative_to(ROOT)), set()).add(code.co_qualname)
    return {file: sorted(files[file]) for file in sorted(files, key=lambda file: (-len(files[file]), file))}


# The paths


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def visit_bind(recipe: str = "default") -> dict[str, list[str]]:
    model = small_model()
    load_recipe = metaopt.load_recipe  # to look a public name up is no part of the path
    with entered() as counts:
        load_recipe(recipe).bind(model, total_steps=100, batch_size=8)
    return visited(counts)


def visit_observe(recipe: str = "default") -> dict[str, list[str]]:
    model = small_model()
    run = metaopt.load_recipe(recipe).bind(model, total_steps=100, batch_size=8)
    run.optimizer.zero_grad()
    loss = model(torch.ones(8, 4)).square().mean()
    loss.backward()
    run.step(loss)
    with run.evaluating():
        value = model(torch.ones(8, 4)).square().mean().item()
    with entered() as counts:
        run.observe(value)
    return visited(counts)


@dataclass(frozen=True)
class Waves:
    """`y = A · sin(x + φ)` from five points."""

    fingerprint: str = "files-visited-waves"

    def sample(self, partition: metaopt.Partition, count: int, generator: torch.Generator) -> metaopt.Episodes:
        x = 10 * torch.rand(count, 15, 1, generator=generator, dtype=torch.float32) - 5
        amplitude, phase = torch.rand(2, count, 1, 1, generator=generator, dtype=torch.float32)
        y = 5 * amplitude * torch.sin(x + math.pi * phase)
        return metaopt.Episodes(x[:, :5], y[:, :5], x[:, 5:], y[:, 5:])


def visit_meta_train() -> dict[str, list[str]]:
    task, meta_train = few_shot_task(), metaopt.meta_train
    with entered() as counts:
        meta_train("meta_sgd", task)
    return visited(counts)


@cache
def few_shot_task() -> metaopt.FewShotTask:
    return metaopt.FewShotTask(
        name="waves",
        family="waves",
        model=lambda: nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)),
        episodes=Waves(),
        loss=F.mse_loss,
        num_steps=1,
        num_iterations=4,
        episodes_per_iteration=2,
        num_evaluated=4,
    )


def line_splits(slope: float) -> metaopt.Splits:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 4, generator=generator)
    y = slope * x[:, :2] + 0.1 * torch.randn(120, 2, generator=generator)
    parts = [metaopt.Split(x[rows], y[rows]) for rows in (slice(0, 60), slice(60, 90), slice(90, 120))]
    return metaopt.Splits(*parts)


def line_task(name: str, slope: float) -> metaopt.Task:
    return metaopt.Task(
        name=name,
        family="lines",
        model=lambda: nn.Linear(4, 2),
        data=partial(line_splits, slope),
        loss=F.mse_loss,
        batch_size=20,
        num_steps=20,
        num_validations=4,
    )


def visit_tune() -> dict[str, list[str]]:
    corpus, tune = two_lines(), metaopt.tune
    with entered() as counts:
        tune(corpus, n_trials=4, workers=1, announce=lambda line: None)
    return visited(counts)


@cache
def two_lines() -> metaopt.Corpus:
    return metaopt.Corpus("two_lines", (line_task("flat", 0.5), line_task("steep", 2.0)))


PATHS: dict[str, Callable[..., dict[str, list[str]]]] = {
    "bind": visit_bind,
    "observe": visit_observe,
    "meta_train": visit_meta_train,
    "tune": visit_tune,
}


# What is printed


def line_counts() -> dict[str, int]:
    """Lines of every Python file of the package and its plugins."""
    files = [path for part in ("metaopt", "plugins") for path in (ROOT / part).rglob("*.py")]
    return {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}


def show(name: str, files: dict[str, list[str]], lines: dict[str, int], is_quiet: bool) -> None:
    functions = sum(map(len, files.values()))
    total = sum(lines[file] for file in files)
    print(f"{name}: {len(files)} files (reach {REACH[name]}), {functions} functions, {total:,} lines")
    if not is_quiet:
        for file, names in files.items():
            print(f"  {lines[file]:4} lines {len(names):3} functions  {file}: {', '.join(names[:4])}", end="")
            print(", …" if len(names) > 4 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PATHS, nargs="+", default=list(PATHS), help="some of the paths")
    parser.add_argument("--recipe", default="default", help="which one is bound")
    parser.add_argument("--quiet", action="store_true", help="counts alone, without the files")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = line_counts()
    report: dict[str, Any] = {}
    for name in options.only:
        path = partial(PATHS[name], options.recipe) if name in ("bind", "observe") else PATHS[name]
        path()
        report[name] = path()
        show(name, report[name], lines, options.quiet)
    long = {file: count for file, count in sorted(lines.items()) if count > LONGEST}
    print(f"over {LONGEST} lines: {', '.join(f'{file} ({count})' for file, count in long.items()) or 'none'}")
    if options.json:
        print(json.dumps({"visited": report, "reach": REACH, "over_long": long}))


if __name__ == "__main__":
    main()
