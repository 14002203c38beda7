"""Writes recorded tuning runs as the CSV that `metaopt replay` reads, and plays policies over their better half.

    python benchmarks/replay_curves.py [--data ../shared/data/curves] [--policies 400] [--seeds 5]

AlexNet on ImageNet (top-1 accuracy; chance .001) and DeBERTa on MNLI (matched accuracy; chance .333), the tuning runs
of Lourie et al. (https://arxiv.org/abs/2311.09480). Policies are chosen on half of the runs at .2 % regret at most and
measured on the other half, with several draws of the halves; means over draws. Speed: policies × runs a second.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metaopt.registry import current
from metaopt.tuning.replay import RecordedTask, read_curves, replay

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "curves"
COLUMNS = ["candidate", "task", "step", "value", "horizon"]
TOLERATED = 0.002


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--policies", type=int, default=400, help="random settings of each stopper")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the halves")
    given = parser.parse_args()
    for name, reader, chance in (("alexnet", alexnet, 0.001), ("deberta-base", deberta, 1 / 3)):
        path = given.data / f"{name}_tuning.results.jsonl.gz"
        if not path.exists():
            print(f"{name} is left out: {path.name} is not in {given.data.name}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            csv = Path(folder) / f"{name}.csv"
            pd.DataFrame(reader(path), columns=COLUMNS).to_csv(csv, index=False)
            report(name, read_curves(csv, "max", chance), given)


def report(name: str, tasks: list[RecordedTask], given: argparse.Namespace) -> None:
    kinds = {"all stoppers": None, "patience alone": ["patience"], "prechelt alone": ["prechelt"]}
    print(f"\n{name}: {len(tasks[0].curves)} runs; the better half, and apart those that learned nothing")
    print(f"{'':18}{'saved':>9}{'regret':>9}{'of clairvoyant':>16}{'failed stopped at':>19}")
    for kind, stoppers in kinds.items():
        began, rows, played = time.perf_counter(), [], 0
        for seed in range(given.seeds):
            found = replay(tasks, current(), stoppers=stoppers, policies=given.policies, better=0.5, seed=seed)
            best = found.best(TOLERATED)
            played += 2 * len(found.results) * (found.num_learned + found.num_failed)
            if best is not None:
                rows.append((best.saved, best.regret, best.saved / found.clairvoyant, best.given_up))
        seconds = time.perf_counter() - began
        saved, regret, share, given_up = np.mean(rows, axis=0) if rows else [np.nan] * 4
        speed = f"{played / seconds / 1e6:.2f} M policies × runs a second"
        print(f"{kind:18}{saved:>9.1%}{regret:>9.2%}{share:>16.0%}{given_up:>19.0%}   {speed}", flush=True)
    print(f"{'clairvoyant':18}{found.clairvoyant:>9.1%}")


def alexnet(path: Path) -> Iterator[tuple[Any, ...]]:
    for one in recorded(path):
        for point in one["learning_curve"]:
            value = point["top_1"] if point["top_1"] is not None else float("-inf")
            yield one["iteration"], "imagenet", point["epoch"] + 1, value, one["epochs"]


def deberta(path: Path) -> Iterator[tuple[Any, ...]]:
    for one in recorded(path):
        for step, value in one["learning_curves"]["matched"]:
            yield one["iteration"], "mnli", step, value, one["total_model_steps"]


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
