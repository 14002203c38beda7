"""What hooks and agreement add to `run.step` in one process: 48 tensors, this checkout and an earlier one in turns.

    python -m benchmarks.steps.hooks_step --before PATH [--rounds 5]

PATH is a checkout of an earlier commit. Each round starts a process for either; printed are the medians of processor
time, in microseconds a step, of the fastest of nine repetitions of 300 steps, and their difference.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
TENSORS, STEPS, REPETITIONS = 48, 300, 9
CONTROLLERS = ("cosine", "greedy")


def worker() -> None:
    """Print the microseconds of a step under each controller."""
    import torch
    from torch import nn

    import metaopt

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for controller in CONTROLLERS:
        torch.manual_seed(0)
        model = nn.ParameterList([nn.Parameter(torch.randn(64)) for _ in range(TENSORS)])
        recipe = metaopt.Recipe.create(metaopt.Configuration("adamw", controller))
        run, loss = recipe.bind(model, total_steps=10**6, guard="off"), torch.tensor(1.0)
        for param in model.parameters():
            param.grad = torch.randn_like(param)
        seconds = []
        for _ in range(1 + REPETITIONS):
            began = time.thread_time()
            for _ in range(STEPS):
                run.step(loss)
            seconds.append(time.thread_time() - began)
        print(min(seconds[1:]) / STEPS * 1e6)


def measured(root: Path) -> list[float]:
    """Microseconds a step by controller, of a checkout."""
    path = os.pathsep.join(map(str, (root, root / "plugins")))
    command = [sys.executable, __file__, "--worker"]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="checkout of an earlier commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker()
        return
    if options.before is None:
        parser.error("--before PATH is missing")
    rounds = [(measured(options.before.resolve()), measured(HERE)) for _ in range(options.rounds)]
    print(
        f"us a step, {TENSORS} tensors, medians of {options.rounds} rounds\n{'':10}{'before':>9}{'after':>9}{'more':>8}"
    )
    for place, controller in enumerate(CONTROLLERS):
        before, after = (statistics.median(pair[side][place] for pair in rounds) for side in (0, 1))
        print(f"{controller:10}{before:9.1f}{after:9.1f}{after - before:8.1f}")


if __name__ == "__main__":
    main()
