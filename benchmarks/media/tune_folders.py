"""What tuning on a folder of images, or of texts with labels, takes: 40 candidates on 10^3 and 10^4 examples.

    python -m benchmarks.media.tune_folders [--only images|texts] [--examples 1000 10000] [--n-trials 40]
        [--workers 2] [--seed 0] [--data ../shared/data] [--json]

Images are MNIST's test digits as PNG files in a folder a class; texts are lines of Tiny Shakespeare with who speaks
them, as a CSV: as many lines of each of the ten speakers with most for 1,000, all lines of as many speakers as it takes
for 10,000. Each is tuned by `metaopt tune` in a process of its own, with its start and the reading of the files; one
thread a process. Printed are wall-clock time, which other work on the machine makes longer, and the processor time of
all processes together, of which two idle cores need half; beside the reach of ten minutes.
"""

import argparse
import csv
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

#: Minutes that 40 candidates may take on two cores.
REACH_MINUTES = 10.0
#: Characters that a line has at least, or nobody could tell whose it is.
LEAST_CHARACTERS = 20

TUNE = """
import json, sys
import metaopt
options = json.loads(sys.argv[1])
result = metaopt.tune(**options, against=(), announce=lambda line: None)
print(f"{result.recipe.name}; {result.cost}", flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("images", "texts"))
    parser.add_argument("--examples", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--n-trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    kinds = [options.only] if options.only else ["images", "texts"]
    print(
        f"{options.n_trials} candidates, {options.workers} workers, seed {options.seed}; reach: {REACH_MINUTES:g} min"
    )
    print(f"{'':8}{'examples':>10}{'wall min':>10}{'cpu min':>10}{'on two idle cores':>19}", flush=True)
    rows = []
    for kind in kinds:
        for count in options.examples:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / kind
                {"images": write_images, "texts": write_texts}[kind](folder, count, options.data)
                wall, cpu = tune(folder, options)
            rows.append({"kind": kind, "examples": count, "wall_minutes": wall, "cpu_minutes": cpu})
            print(f"{kind:8}{count:10,}{wall:10.1f}{cpu:10.1f}{cpu / 2:19.1f}", flush=True)
    if options.json:
        settings = {name: getattr(options, name) for name in ("n_trials", "workers", "seed")}
        print(json.dumps({**settings, "reach_minutes": REACH_MINUTES, "rows": rows}))


def write_images(folder: Path, count: int, data: Path) -> None:
    """So many digits as PNG files, in a folder a class."""
    from PIL import Image

    with gzip.open(data / "mnist_t10k" / "t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read()[16:], dtype=np.uint8).reshape(-1, 28, 28)
    with gzip.open(data / "mnist_t10k" / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], dtype=np.uint8)
    for place in range(count):
        path = folder / str(labels[place]) / f"{place:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[place]).save(path)


def write_texts(folder: Path, count: int, data: Path) -> None:
    """So many lines with who speaks them, as a CSV."""
    lines: dict[str, list[str]] = defaultdict(list)
    for block in (data / "tinyshakespeare" / "input.txt").read_text().split("\n\n"):
        speaker, _, speech = block.partition(":\n")
        lines[speaker.strip()].extend(line for line in speech.splitlines() if len(line) > LEAST_CHARACTERS)
    most = sorted(lines, key=lambda speaker: (-len(lines[speaker]), speaker))
    each = count // 10 if 10 * len(lines[most[9]]) >= count else count
    rows = [(line, speaker) for speaker in most for line in lines[speaker][:each]][:count]
    folder.mkdir(parents=True)
    with open(folder / "speakers.csv", "w", newline="") as file:
        csv.writer(file).writerows([("line", "speaker"), *rows])


def tune(folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Minutes by the clock, and of processors, of a fresh process that tunes, its start included."""
    arguments = {
        "corpus": str(folder),
        "n_trials": options.n_trials,
        "workers": options.workers,
        "seed": options.seed,
        "storage": f"sqlite:///{folder.parent / 'study.db'}",
    }
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", TUNE, json.dumps(arguments)], env=environment, stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        sys.exit("Tuning failed; see above.")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (time.perf_counter() - started) / 60, cpu / 60


if __name__ == "__main__":
    main()
