"""One optimizer step on a transformer-like list of tensors: torch's AdamW against the `adamw` rule, in one run.

    python -m benchmarks.steps.step [--threads 2] [--rounds 40] [--json]

Every round steps each contender in turn, so that whatever else the machine does falls on all of them. Compiling starts
from an empty cache: first a graph of nothing, for what torch's compiler does once a machine, then the rule's.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import metaopt

WIDTH, LAYERS = 336, 6  # 48 tensors, 8.1 M numbers


def tensors() -> list[nn.Parameter]:
    """The parameters of a small transformer's blocks, with gradients; the same at every call."""
    generator = torch.Generator().manual_seed(0)
    d = WIDTH
    block = [(d, 3 * d), (d, d), (d, 4 * d), (4 * d, d), (4 * d,), (d,), (d,), (d,)]
    parameters = []
    for shape in block * LAYERS:
        param = nn.Parameter(torch.randn(shape, generator=generator))
        param.grad = torch.randn(shape, generator=generator) * 1e-2
        parameters.append(param)
    return parameters


def contenders() -> dict[str, Callable[[], object]]:
    """A step function by name."""
    return {
        "torch foreach": torch.optim.AdamW(tensors(), foreach=True).step,
        "torch for-loop": torch.optim.AdamW(tensors(), foreach=False).step,
        "torch fused": torch.optim.AdamW(tensors(), fused=True).step,
        "rule eager": metaopt.RuleOptimizer(tensors(), "adamw").step,
        "rule compiled": metaopt.RuleOptimizer(tensors(), "adamw", compile=True).step,
    }


def seconds(step: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def medians(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of a step by contender."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            step()  # caches belong to whoever ran last
            taken[name].append(seconds(step) * 1e3)
    return {name: statistics.median(times) for name, times in taken.items()}


def largest_difference(first: list[Tensor], second: list[Tensor]) -> float:
    return max((a - b).abs().max().item() for a, b in zip(first, second, strict=True))


def agreement(num_steps: int = 10) -> float:
    """Largest difference between torch's AdamW and the compiled rule after a few steps."""
    theirs, ours = tensors(), tensors()
    steps = torch.optim.AdamW(theirs, foreach=False).step, metaopt.RuleOptimizer(ours, "adamw", compile=True).step
    for _ in range(num_steps):
        for step in steps:
            step()
    return largest_difference([p.detach() for p in theirs], [p.detach() for p in ours])


def compiler_seconds() -> float:
    """Seconds that torch's compiler takes to probe the machine and compile `x + 1`."""
    start = time.perf_counter()
    torch.compile(lambda x: x + 1)(torch.ones(8))
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        report = measure(options.rounds)
    show(report)
    if options.json:
        print(json.dumps(report))


def measure(rounds: int) -> dict[str, Any]:
    """Everything that is printed, as plain JSON."""
    steps, params = contenders(), tensors()
    once = compiler_seconds()
    compiling = seconds(steps["rule compiled"])
    milliseconds = medians(steps, rounds)
    return {
        "tensors": len(params),
        "numbers": sum(param.numel() for param in params),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "torch": torch.__version__,
        "milliseconds": milliseconds,
        "compiled_over_for_loop": milliseconds["rule compiled"] / milliseconds["torch for-loop"],
        "compile_seconds": compiling,
        "compiler_once_seconds": once,
        "largest_difference": agreement(),
    }


def show(report: dict[str, Any]) -> None:
    loop = report["milliseconds"]["torch for-loop"]
    print(
        f"AdamW on {report['tensors']} tensors, {report['numbers'] / 1e6:.1f} M numbers; {report['threads']} threads, "
        f"medians of {report['rounds']}"
    )
    for name, value in report["milliseconds"].items():
        print(f"  {name:15s} {value:7.1f} ms   {value / loop:5.2f} × for-loop")
    print(
        f"  compiling the rule took {report['compile_seconds']:.1f} s, after {report['compiler_once_seconds']:.1f} s "
        "that torch's compiler takes once a machine"
    )
    print(f"  largest difference between for-loop and compiled rule after 10 steps: {report['largest_difference']:.1e}")


if __name__ == "__main__":
    main()
