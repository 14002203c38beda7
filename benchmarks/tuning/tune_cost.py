"""What tuning costs: wall-clock time and peak memory of 100 candidates on the starter corpus, in a process of its own.

    python -m benchmarks.tuning.tune_cost [--n-trials 100] [--corpus starter] [--workers 1] [--folds K] [--json]

The ledger is new: nothing is reused but the references that ship with the corpus, if any. Peak memory is that of the
process and its workers together, pages that they share counted for each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tuning.memory import PeakMemory

#: Minutes and GiB that tuning 100 candidates on the starter corpus may take.
REACH = {"minutes": 8.0, "gib": 3.0}

TUNE = """
import json, sys
import metaopt
options = json.loads(sys.argv[1])
result = metaopt.tune(**options, against=(), announce=lambda line: print(line, flush=True))
print(f"{result.recipe.name}; {result.cost}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="starter")
    parser.add_argument("--n-trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as memory:
        seconds = tune(options, Path(folder))
    how = f"folds: {options.folds or 'none'}, workers: {options.workers}"
    print(f"{options.n_trials} candidates on {options.corpus}, {how}")
    print(f"{'':12}{'taken':>8}{'reach':>8}")
    print(f"{'minutes':12}{seconds / 60:8.1f}{REACH['minutes']:8.1f}")
    print(f"{'peak GiB':12}{memory.gib:8.2f}{REACH['gib']:8.1f}")
    if options.json:
        print(json.dumps({**vars(options), "seconds": seconds, "peak_gib": memory.gib, "reach": REACH}))


def tune(options: argparse.Namespace, folder: Path) -> float:
    """Seconds of a fresh process that tunes, its start included."""
    arguments = {
        "corpus": options.corpus,
        "n_trials": options.n_trials,
        "workers": options.workers,
        "folds": options.folds,
        "seed": options.seed,
        "storage": f"sqlite:///{folder / 'study.db'}",
    }
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", TUNE, json.dumps(arguments)], check=False)
    if done.returncode:
        sys.exit("Tuning failed; see above.")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
