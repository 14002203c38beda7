"""What a wrapper that steers adds to a step of the library's class, on a model of 60 tensors.

    python -m benchmarks.steps.steered_step [--width 64] [--rounds 100] [--json]

The optimizer by itself, as `create_optimizer` makes it; `learned_schedule` around its rule; the same around its class.
Rounds go through all of them in turn, so that whatever else the machine does falls on all. Processor time, which leaves
out what other jobs take of the core; medians, and the least. Limit: twice the class's own step and 1.5 ms.
"""

import argparse
import json
import statistics
import time
from functools import partial

import torch

import metaopt
from benchmarks.steps.controller_overhead import tensors

WRAPPER, CALLS = "learned_schedule", 3


def contenders(name: str, width: int) -> dict[str, partial[object]]:
    """A step function by contender."""
    create = partial(metaopt.create_optimizer, name, total_steps=10_000)
    create_wrapped = partial(create, wrappers=[WRAPPER])
    loss = torch.tensor(1.0)
    return {
        f"{name}, the library's class": partial(create(tensors(width)).step),
        f"{WRAPPER}({name}), the rule": partial(create_wrapped(tensors(width), implementation="rule").step, loss=loss),
        f"{WRAPPER}({name}), the class": partial(
            create_wrapped(tensors(width), implementation="native").step, loss=loss
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=64, help="of the model")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    params = tensors(options.width)
    numbers = sum(param.numel() for param in params) / 1e6
    print(
        f"{len(params)} tensors, {numbers:.1f} M numbers; 1 thread, "
        f"torch {torch.__version__}, {options.rounds} rounds in turn: median, least"
    )
    report = {}
    for name in ("nadamw", "adamw"):
        steps = contenders(name, options.width)
        taken: dict[str, list[float]] = {label: [] for label in steps}
        for _ in range(options.rounds):
            for label, step in steps.items():
                step()  # caches belong to whoever ran last
                start = time.process_time()
                for _ in range(CALLS):
                    step()
                taken[label].append((time.process_time() - start) / CALLS * 1e3)
        medians = {label: statistics.median(times) for label, times in taken.items()}
        report.update(medians)
        for label, median in medians.items():
            print(f"  {label:36}{median:8.2f} ms {min(taken[label]):8.2f} ms")
        own, _, steered = medians.values()
        print(f"  limit {2 * own + 1.5:.2f} ms: {'kept' if steered <= 2 * own + 1.5 else 'missed'}")
    if options.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
