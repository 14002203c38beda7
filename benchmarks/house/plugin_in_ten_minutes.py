"""How long the commands of docs/plugin-in-ten-minutes.md take: seconds a step, each a process of its own.

    python benchmarks/house/plugin_in_ten_minutes.py [--kind optimizer]

A package is written, checked, tested, installed into a folder of its own without a network, listed, checked by its
distribution's name, and, an optimizer, tuned beside AdamW on the two tasks of a new corpus. Wall and processor time;
what a person needs to think and to type comes on top.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME = "soft_sign"
KINDS = ("optimizer", "wrapper", "controller", "stopper", "corpus")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="optimizer", choices=KINDS)
    kind = parser.parse_args().kind
    with tempfile.TemporaryDirectory() as folder:
        home, site = Path(folder), Path(folder, "site")
        environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
        times = {what: seconds(command, home, environment) for what, command in commands(kind, site).items()}
    times["together"] = (sum(wall for wall, _ in times.values()), sum(cpu for _, cpu in times.values()))
    print(f"{'':32}{'wall':>10}{'processor':>12}")
    for what, (wall, cpu) in times.items():
        print(f"{what:32}{wall:8.1f} s{cpu:10.1f} s")


def commands(kind: str, site: Path) -> dict[str, list[str]]:
    """Each step's arguments for Python."""
    metaopt = ["-m", "metaopt"]
    package = "metaopt-soft-sign"
    source = f"{package}/src/metaopt_{NAME}/{NAME}.py"
    tasks = "metaopt-small-tasks/src/metaopt_small_tasks/small_tasks.py"
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    search = ["--optimizers", f"{NAME},adamw", "--controllers", "constant,linear", "--wrappers", "", "--n-trials", "8"]
    tune = {
        "new-plugin, of a corpus": [*metaopt, "new-plugin", "small_tasks", "--kind", "corpus"],
        "tune, 8 candidates on 2 tasks": [*metaopt, "tune", "small_tasks", "--plugin", tasks, *search, "--out", "out"],
    }
    return {
        "new-plugin": [*metaopt, "new-plugin", NAME, "--kind", kind],
        "check, the file": [*metaopt, "check", source],
        "pytest": ["-m", "pytest", "-q", package],
        "pip install": [*install, f"./{package}"],
        "plugins": [*metaopt, "plugins"],
        "check, the distribution": [*metaopt, "check", package],
        **(tune if kind == "optimizer" else {}),
    }


def seconds(arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Wall and processor time of a command; it must succeed."""
    began, before = time.perf_counter(), processor_seconds()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began, processor_seconds() - before


def processor_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
