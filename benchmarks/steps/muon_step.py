"""A step of `muon` beside torch.optim.Muon's: as torch's own class, and as the rule.

    python -m benchmarks.steps.muon_step [--rounds 40] [--json]

Three lists of 48 matrices: those of a transformer of 8 M numbers, and small ones of one shape, or of four, which the
rule sends through Newton-Schulz together. Sides take turns in one process on one thread; medians of processor time and
of the ratio within each round, so that what else the machine does falls on all. `rule, float32` is what the precision
costs. The rule runs eagerly: most of a step are products of matrices, which a compiler leaves as they are.
"""

import argparse
import json
import statistics
import time
from typing import Any

import torch
from torch import nn

import metaopt


def transformer(width: int) -> list[tuple[int, int]]:
    """Packed qkv, its projection and two layers of a perceptron, twelve times."""
    return [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)] * 12


LISTS = {
    "transformer of width 236": transformer(236),
    "transformer of width 64": transformer(64),
    "48 matrices of 128 × 128": [(128, 128)] * 48,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"1 thread, torch {torch.__version__}")
    report = {}
    for label, shapes in LISTS.items():
        print(f"  {label}: {sum(rows * columns for rows, columns in shapes) / 1e6:.1f} M numbers")
        times = measured(made(shapes), options.rounds)
        first = next(iter(times))
        for name, seconds in times.items():
            ratio = statistics.median(one / other for one, other in zip(seconds, times[first], strict=True))
            report[f"{label}, {name}"] = {"ms": 1000 * statistics.median(seconds), "ratio": ratio}
            print(f"    {name:24}{1000 * statistics.median(seconds):8.2f} ms {ratio:7.3f}×", flush=True)
    if options.json:
        print(json.dumps(report))


def parameters(shapes: list[tuple[int, int]]) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    params = [nn.Parameter(0.02 * torch.randn(shape, generator=generator)) for shape in shapes]
    for param in params:
        param.grad = torch.randn(param.shape, generator=generator)
    return params


def made(shapes: list[tuple[int, int]]) -> dict[str, torch.optim.Optimizer]:
    def ours(**settings: Any) -> torch.optim.Optimizer:
        return metaopt.create_optimizer("muon", parameters(shapes), lr=0.02, **settings)

    return {
        "torch.optim.Muon": torch.optim.Muon(parameters(shapes), lr=0.02),
        "native": ours(),
        "rule": ours(implementation="rule"),
        "rule, float32": ours(implementation="rule", precision="float32"),
    }


def measured(sides: dict[str, torch.optim.Optimizer], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 2):
        for name in names if number % 2 else reversed(names):
            began = time.thread_time()
            sides[name].step()
            times[name].append(time.thread_time() - began)
    return {name: seconds[2:] for name, seconds in times.items()}


if __name__ == "__main__":
    main()
