"""What `import metaopt` and `metaopt plugins` take beyond `import torch`: whole processes, in turn.

    python -m benchmarks.house.imports [--rounds 11] [--json]

Every round starts each contender once, in turn, so that whatever else the machine does falls on all of them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

BASELINE = "import torch"
CONTENDERS = {
    BASELINE: "import torch",
    "import metaopt": "import metaopt",
    "metaopt plugins": "from metaopt.cli import main; main(['plugins'])",
    "metaopt plugins --json": "from metaopt.cli import main; main(['plugins', '--json'])",
}
#: Seconds beyond the baseline that each may take.
REACH = {"import metaopt": 0.3, "metaopt plugins": 0.5, "metaopt plugins --json": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="processes a contender (default 11)")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    seconds = medians(options.rounds)
    beyond = {name: seconds[name] - seconds[BASELINE] for name in REACH}
    print(f"median of {options.rounds} processes each, Python {sys.version.split()[0]}")
    print(f"{'':24}{'seconds':>9}{'beyond torch':>14}{'reach':>7}")
    for name, value in seconds.items():
        print(f"{name:24}{value:9.3f}" + (f"{beyond[name]:14.3f}{REACH[name]:7.1f}" if name in beyond else ""))
    if options.json:
        print(json.dumps({"rounds": options.rounds, "seconds": seconds, "beyond_torch": beyond, "reach": REACH}))


def medians(rounds: int) -> dict[str, float]:
    """Median seconds of a process by contender; the first round fills the caches of files and bytecode."""
    taken: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(rounds + 1):
        for name, code in CONTENDERS.items():
            seconds = process_seconds(code)
            if number:
                taken[name].append(seconds)
    return {name: statistics.median(times) for name, times in taken.items()}


def process_seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
