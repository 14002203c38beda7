"""Optuna's samplers at the settings of stopping policies, at equal trials: TPE, NSGA-II, and random settings.

    python -m benchmarks.stopping.policy_search [--data ../shared/data/curves] [--trials 300] [--seeds 5] [--json]

The better half of the recorded tuning runs of `replay_curves.py`. On one half of these each sampler proposes settings
of `patience` and `prechelt`, judged there by regret and steps saved; the policy that saves most at up to .2 % regret
there is played over the other half. The area is that under the front up to 5 % regret, on the first half: 1 for a
policy that saves everything for nothing. Means over draws of the halves; trials a minute include playing them.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import optuna
import pandas as pd

from benchmarks.stopping.replay_curves import COLUMNS, DATA, TOLERATED, alexnet, deberta
from metaopt.plugin.registry import current_registry
from metaopt.tuning.recorded.recorded_tasks import RecordedTask, read_curves
from metaopt.tuning.stopping.policy_search import NewSampler, new_sampler
from metaopt.tuning.stopping.replay import Replay, replay

LARGEST = 0.05
STOPPERS = ("patience", "prechelt")
SAMPLERS: dict[str, NewSampler] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "NSGA-II": lambda seed: optuna.samplers.NSGAIISampler(population_size=25, seed=seed),
    "TPE": new_sampler,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--trials", type=int, default=300, help="of each stopper")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the halves")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    rows = []
    print(f"{options.trials} trials of each stopper, {options.seeds} draws of the halves")
    print(f"{'':26}{'area':>8}{'chosen: saved':>15}{'reported: saved':>17}{'regret':>9}{'trials a minute':>17}")
    for name, reader, chance in (("alexnet", alexnet, 0.001), ("deberta-base", deberta, 1 / 3)):
        tasks = read(options.data / f"{name}_tuning.results.jsonl.gz", reader, chance)
        for stopper in STOPPERS:
            for sampler, make in SAMPLERS.items():
                row = {"runs": name, "stopper": stopper, "sampler": sampler}
                row |= measure(tasks, stopper, make, options.trials, options.seeds)
                rows.append(row)
                print(
                    f"{name:13}{stopper:9}{sampler:8}{row['area']:>8.4f}{row['chosen_saved']:>11.2%}"
                    f"{row['saved']:>17.2%}{row['regret']:>9.2%}{row['trials_a_minute']:>17,.0f}",
                    flush=True,
                )
    if options.json:
        print(json.dumps({"trials": options.trials, "seeds": options.seeds, "rows": rows}))


def read(path: Path, reader: Callable[[Path], object], chance: float) -> list[RecordedTask]:
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "runs.csv"
        pd.DataFrame(reader(path), columns=COLUMNS).to_csv(csv, index=False)
        return read_curves(csv, "max", chance)


def measure(
    tasks: Sequence[RecordedTask],
    stopper: str,
    make: NewSampler,
    trials: int,
    seeds: int,
) -> dict[str, float]:
    """Mean area, saved steps, regret and speed over draws of the halves."""
    began, rows = time.perf_counter(), []
    for seed in range(seeds):
        replayed = replay(
            tasks,
            current_registry(),
            stoppers=[stopper],
            policies=0,
            trials=trials,
            better=0.5,
            seed=seed,
            sampler=make,
        )
        fair = [row for row, policy in enumerate(replayed.chosen_by) if policy.regret <= TOLERATED]
        best = max(fair, key=lambda row: replayed.chosen_by[row].saved, default=None)
        scores = (0.0, 0.0, 0.0)
        if best is not None:
            scores = (replayed.chosen_by[best].saved, replayed.results[best].saved, replayed.results[best].regret)
        rows.append((area(replayed), *scores))
    seconds = time.perf_counter() - began
    means = dict(zip(("area", "chosen_saved", "saved", "regret"), np.mean(rows, axis=0).tolist(), strict=True))
    return means | {"trials_a_minute": 60 * trials * seeds / seconds}


def area(replayed: Replay) -> float:
    """Area under the front of the half that chooses, by regret up to `LARGEST`, as a share of the rectangle."""
    total, most, last = 0.0, 0.0, 0.0
    for policy in sorted(replayed.chosen_by, key=lambda policy: policy.regret):
        if policy.regret > LARGEST:
            break
        total, last, most = total + most * (policy.regret - last), policy.regret, max(most, policy.saved)
    return (total + most * (LARGEST - last)) / LARGEST


if __name__ == "__main__":
    main()
