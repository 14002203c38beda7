"""Fits the weights that `learned_stopper` ships with, to recorded tuning runs.

    python -m benchmarks.stopping.stopper_weights [--data ../shared/data/curves] [--seed 0]

All runs of AlexNet on ImageNet and of DeBERTa on MNLI (Lourie et al., https://arxiv.org/abs/2311.09480, CC BY-SA 4.0)
that `replay_curves.py` reads; the weights hold none of their values. They are written beside the plugin, with this
command. `replay_curves.py` says what weights are worth on runs that they were not fitted to, and on the other task.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import metaopt_stoppers.learned_stopper as learned_stopper
from benchmarks.stopping.replay_curves import DATA, TASKS, read
from metaopt.contracts import CurveBatch

OUT = Path(learned_stopper.__file__).with_suffix(".json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tasks = {name: read(name, options.data)[0] for name in TASKS}
    batches = [CurveBatch.from_curves(task.curves, task.sign) for task in tasks.values()]
    theta = learned_stopper.fit(batches, np.random.default_rng(options.seed))
    document = {
        "made_by": f"python -m benchmarks.stopping.stopper_weights --seed {options.seed}",
        "fitted_to": [f"{name}: {len(batch.values)} runs" for name, batch in zip(tasks, batches, strict=True)],
        "source": "https://arxiv.org/abs/2311.09480 (CC BY-SA 4.0)",
        "theta": {name: np.round(array, 6).tolist() for name, array in theta.items()},
    }
    OUT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(array.size for array in theta.values())} numbers written to {OUT.name}")


if __name__ == "__main__":
    main()
