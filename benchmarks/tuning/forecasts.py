"""What a study says after its first task that the rest will take, beside what the rest takes.

    python -m benchmarks.tuning.forecasts [--runs 5] [--load none|changing] [--workers 1] [--n-trials 12]

Each run tunes some tasks of the starter corpus in a process of its own, without a ledger from before. Printed are the
forecast before the start, the corrected one, and the time that then passed, in seconds from the correction on; the
ratio is the larger over the smaller. Under changing load, as many other processes as there are processors spin for some
seconds, pause for some, and so on. The reach is a median of 1.5 without load, 2 under changing load; on a machine that
has other work, the first is not measured.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

REACH = {"none": 1.5, "changing": 2.0}
TASKS = 4

TUNE = """
import json, sys, time
import metaopt
options, count = json.loads(sys.argv[1]), int(sys.argv[2])
def say(line):
    print(f"{time.time()} {line}", flush=True)
tasks = metaopt.load_corpus("starter").tasks[:count]
metaopt.tune(tasks, announce=say, **options)
say("end")
"""
SPIN = """
import random, time
chance = random.Random({seed})
while True:
    end = time.time() + chance.uniform(2, 8)
    while time.time() < end:
        pass
    time.sleep(chance.uniform(2, 8))
"""
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--load", choices=REACH, default="none")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--n-trials", type=int, default=12)
    options = parser.parse_args()
    processors = len(os.sched_getaffinity(0))
    print(
        f"{options.runs} runs, {options.n_trials} candidates on {TASKS} tasks, load: {options.load}, workers: "
        f"{options.workers}; {os.getloadavg()[0]:.1f} processes wanted the {processors} processors before",
        flush=True,
    )
    print(f"{'before':>8s} {'corrected':>10s} {'taken':>8s} {'ratio':>6s}", flush=True)
    ratios = []
    with load(processors if options.load == "changing" else 0):
        for seed in range(options.runs):
            before, corrected, taken = one_run(
                {"n_trials": options.n_trials, "workers": options.workers, "seed": seed, "against": []}
            )
            ratios.append(max(corrected, taken) / max(min(corrected, taken), 1e-9))
            print(f"{before:8.0f} {corrected:10.0f} {taken:8.0f} {ratios[-1]:6.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}, reach {REACH[options.load]}")


def one_run(options: dict[str, object]) -> tuple[float, float, float]:
    """Forecast before the start, forecast of the rest after the first task, and what the rest took, seconds."""
    command = [sys.executable, "-W", "ignore", "-c", TUNE, json.dumps(options), str(TASKS)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    before = corrected = began = ended = 0.0
    for line in lines:
        moment, said = line.split(" ", 1)
        if said.startswith("About to run"):
            before = seconds(said)
        elif said.startswith("At the pace of the first task"):
            began, corrected = float(moment), seconds(said)
        elif said == "end":
            ended = float(moment)
    return before, corrected, ended - began


def seconds(line: str) -> float:
    """The first duration that a line says."""
    found = re.search(r"about ([\d.]+) (s|min|h)\b", line)
    assert found is not None, line
    return float(found[1]) * UNITS[found[2]]


@contextmanager
def load(count: int) -> Iterator[None]:
    """So many processes that come and go."""
    others = [subprocess.Popen([sys.executable, "-c", SPIN.format(seed=seed)]) for seed in range(count)]
    time.sleep(1.0 if others else 0.0)
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    main()
