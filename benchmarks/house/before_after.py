"""Time and memory of a commit beside those of the checkout, in one run: imports, `metaopt plugins`, bind, step, tune.

    python -m benchmarks.house.before_after --before COMMIT [--rounds 9] [--tune-rounds 1] [--n-trials 40]
        [--only bind step] [--recipe default] [--tasks N] [--workers 1] [--wall] [--json]

The commit's files go into a temporary git worktree. Both sides run in processes of the same interpreter and the same
installed libraries, in turn, the order reversed every second round, so that whatever else the machine does falls on
both; they differ in `PYTHONPATH` alone, which also leads to the entry points that each side declares. Times are those
of the processor, or with --wall of the clock on the wall, for which the machine must be idle: medians over rounds; the
ratio is the median of the rounds' ratios. Memory is the most that the process held.

| measure | what a process does |
|---|---|
| import metaopt | `import torch, metaopt`, less what `import torch` takes in a process of the same round |
| first names | `from metaopt import Rule, Task` after both, less the same: what is imported when it is used |
| metaopt plugins | the command, less the same |
| bind | `load_recipe("default").bind(model, total_steps=1000)`, a small perceptron; median of 50 after the first |
| step | `run.step(loss)` of that run, without forward and backward pass; median of 300 |
| observe | the first `run.observe(value)` of a run; median of 20 runs after the first |
| tune starter | `tune` of the starter corpus, or its first `--tasks`, from an empty ledger; see --workers |

The default recipe is that of each side's commit: `--recipe FOLDER` has both bind the same one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Every process ends by printing its numbers: seconds, and the most memory that it held.
PEAK = """
import json, resource, sys, time
clock = time.process_time
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
"""
TIMED = "started = clock(); {code}; seconds = clock() - started"
REPORT = "\nsys.stdout.write('\\n' + json.dumps({'seconds': seconds, 'gib': peak()}) + '\\n')"
PLUGINS = "from metaopt.cli import main\ntry: main(['plugins'])\nexcept SystemExit: pass"

LOOP = """
import os
RECIPE = os.environ["RECIPE"]
import statistics, time, torch, metaopt
torch.set_num_threads(1)
def taken(function, *arguments):
    started = clock()
    result = function(*arguments)
    return clock() - started, result
def bound():
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    return model, *taken(lambda: metaopt.load_recipe(RECIPE).bind(model, total_steps=1000, batch_size=8))
def stepped(model, run):
    run.optimizer.zero_grad()
    loss = model(torch.ones(8, 8)).square().mean()
    loss.backward()
    return taken(run.step, loss)[0]
bound()
"""
BIND = LOOP + "seconds = statistics.median(bound()[1] for _ in range(50))"
STEP = LOOP + "model, _, run = bound()\nseconds = statistics.median([stepped(model, run) for _ in range(300)][10:])"
OBSERVE = """
times = []
for _ in range(21):
    model, _, run = bound()
    stepped(model, run)
    with run.evaluating():
        value = float(model(torch.ones(8, 8)).square().mean())
    times.append(taken(run.observe, value)[0])
seconds = statistics.median(times[1:])
"""
TUNE = """
import torch, metaopt
torch.set_num_threads(1)
tasks = metaopt.load_corpus("starter").tasks[:{tasks}]
started = clock()
metaopt.tune(tasks, n_trials={trials}, workers={workers}, seed=0, against=(), announce=lambda line: None)
seconds = clock() - started
"""
TORCH = "import torch"
#: Code by measure.
MEASURES = {
    TORCH: PEAK + TIMED.format(code=TORCH),
    "import metaopt": PEAK + TIMED.format(code="import torch, metaopt"),
    "first names": PEAK + TIMED.format(code="import torch; from metaopt import Rule, Task"),
    "metaopt plugins": PEAK + "started = clock()\n" + PLUGINS + "\nseconds = clock() - started",
    "bind": PEAK + BIND,
    "step": PEAK + STEP,
    "observe": PEAK + LOOP + OBSERVE,
}
BEYOND_TORCH = ("import metaopt", "first names", "metaopt plugins")

UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6}

Sample = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tune-rounds", type=int, default=1, help="rounds of tuning; 0 leaves it out")
    parser.add_argument("--n-trials", type=int, default=40)
    parser.add_argument("--tasks", type=int, help="of the starter corpus; all if left out")
    parser.add_argument("--workers", type=int, default=1, help="that tune")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="MEASURE")
    parser.add_argument("--recipe", default="default", help="that bind, step and observe are measured with")
    parser.add_argument("--wall", action="store_true", help="the clock on the wall, not the processor's time")
    options = parser.parse_args()
    if options.workers > 1 and not options.wall:
        parser.error("the processor time of other workers is not counted; say --wall")
    clock = ("process_time", "perf_counter" if options.wall else "process_time")
    with worktree(options.before) as before, tempfile.TemporaryDirectory() as folder:
        trees = {"before": before, "after": ROOT}
        sides = {side: environment(tree, Path(folder, side), options.recipe) for side, tree in trees.items()}
        chosen = {TORCH, *options.only} if {*BEYOND_TORCH} & {*options.only} else {*options.only}
        codes = {name: code.replace(*clock) for name, code in MEASURES.items() if name in chosen}
        samples = measured(sides, codes, options.rounds + 1)
        samples = {name: {side: all_[1:] for side, all_ in samples_of.items()} for name, samples_of in samples.items()}
        if options.tune_rounds:
            study = {"trials": options.n_trials, "workers": options.workers, "tasks": options.tasks}
            code = {"tune starter": PEAK.replace(*clock) + TUNE.format(**study)}
            samples |= measured(sides, code, options.tune_rounds)
    report = {name: compared(name, samples) for name in samples}
    print(f"before: {options.before}; medians of {options.rounds} processes a side, after one that fills caches")
    kind, python = "wall clock" if options.wall else "processor time", sys.version.split()[0]
    tuning = f"{options.n_trials} candidates, {options.workers} workers, tuned {options.tune_rounds} times a side"
    print(f"{kind}; {tuning}; Python {python}")
    print(f"{'':18}{'before':>12}{'after':>12}{'ratio':>8}{'before GiB':>12}{'after GiB':>11}")
    for name, row in report.items():
        times = "".join(f"{with_unit(row[side]):>12}" for side in sides)
        print(f"{name:18}{times}{row['ratio']:8.2f}{row['before_gib']:12.3f}{row['after_gib']:11.3f}")
    print(f"{', '.join(BEYOND_TORCH)}: beyond import torch in the same round")
    if options.json:
        print(json.dumps({"before": options.before, "rounds": options.rounds, "measures": report}))


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """A checkout of a commit, for as long as it is used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "before")
        git("worktree", "add", "--detach", str(path), commit)
        try:
            yield path
        finally:
            git("worktree", "remove", "--force", str(path))


def git(*arguments: str) -> None:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"git {arguments[0]} {arguments[1]}: {done.stderr.strip()}")


def environment(tree: Path, folder: Path, recipe: str) -> dict[str, str]:
    """Variables under which an interpreter imports a checkout, sees the entry points that it declares, and binds."""
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir(parents=True)
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (installed / "METADATA").write_text(head, encoding="utf-8")
    lines = [f"{name} = {target}" for name, target in project["entry-points"]["metaopt"].items()]
    (installed / "entry_points.txt").write_text("\n".join(["[metaopt]", *lines, ""]), encoding="utf-8")
    path = os.pathsep.join(map(str, (folder, tree, tree / "plugins")))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "RECIPE": recipe}


def measured(
    sides: dict[str, dict[str, str]], codes: dict[str, str], rounds: int
) -> dict[str, dict[str, list[Sample]]]:
    """What the processes printed, by measure and side."""
    samples: dict[str, dict[str, list[Sample]]] = {name: {side: [] for side in sides} for name in codes}
    for number in range(rounds):
        for name, code in codes.items():
            for side in list(sides)[:: 1 if number % 2 else -1]:
                samples[name][side].append(process(code, sides[side]))
    return samples


def process(code: str, variables: dict[str, str]) -> Sample:
    with tempfile.TemporaryDirectory() as folder:  # whose modules would be found first
        command = [sys.executable, "-c", code + REPORT]
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    sample: Sample = json.loads(done.stdout.splitlines()[-1])
    return sample


def compared(name: str, samples: dict[str, dict[str, list[Sample]]]) -> dict[str, float]:
    """Median seconds and GiB of both sides, and the median of the rounds' ratios."""
    seconds = {side: [sample["seconds"] for sample in all_] for side, all_ in samples[name].items()}
    if name in BEYOND_TORCH:
        torch = {side: [sample["seconds"] for sample in all_] for side, all_ in samples[TORCH].items()}
        seconds = {side: [a - b for a, b in zip(all_, torch[side], strict=True)] for side, all_ in seconds.items()}
    pairs = zip(seconds["before"], seconds["after"], strict=True)
    gib = {f"{side}_gib": statistics.median(sample["gib"] for sample in all_) for side, all_ in samples[name].items()}
    medians = {side: statistics.median(all_) for side, all_ in seconds.items()}
    return {**medians, "ratio": statistics.median(after / before for before, after in pairs), **gib}


def with_unit(seconds: float) -> str:
    unit, factor = next((unit, factor) for unit, factor in UNITS.items() if seconds * factor >= 1 or unit == "µs")
    return f"{seconds * factor:.1f} {unit}"


if __name__ == "__main__":
    main()
