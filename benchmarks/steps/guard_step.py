"""What the guard of gradients adds to a step: the recipe `default` and fused AdamW, 48 tensors, before and after.

    python -m benchmarks.steps.guard_step --before PATH [--width 336] [--batch 32] [--tokens 16] [--rounds 40] [--json]

PATH is a checkout, or an unpacked `git archive`, of a commit from before the guard read every recipe's gradients. Both
versions run in a process of their own and take turns, one thread each, so that whatever else the machine does falls on
both; medians of processor time. First `run.step(loss)` alone, with gradients that are there; then a whole training
step with forward and backward pass, of a transformer of those tensors and of a perceptron of as many, at batch 32.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
LAYERS = 6
PARTS = ("step", "transformer", "perceptron")


def worker(width: int, batch: int, tokens: int) -> None:
    """Serve timings of this process's metaopt: a line `PART RECIPE GUARD CALLS` in, microseconds a call out."""
    import torch
    from torch import nn

    import metaopt
    from metaopt.configuration.configuration import Configuration

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the recipe was made on smaller models
    recipes = {"default": metaopt.load_recipe("default"), "adamw": metaopt.Recipe.create(Configuration("adamw"))}

    class Block(nn.Module):
        """A transformer block with eight tensors."""

        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ParameterList([nn.Parameter(torch.ones(width)) for _ in range(2)])
            self.attend = nn.Linear(width, 3 * width, bias=False)
            self.mix = nn.Linear(width, width, bias=False)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            heads = self.attend(nn.functional.layer_norm(x, [width], self.norms[0])).chunk(3, -1)
            x = x + self.mix(nn.functional.scaled_dot_product_attention(*heads))
            hidden = self.up(nn.functional.layer_norm(x, [width], self.norms[1]))
            return x + self.down(nn.functional.gelu(hidden))

    def transformer() -> nn.Module:
        return nn.Sequential(*[Block() for _ in range(LAYERS)])

    def perceptron() -> nn.Module:
        return nn.Sequential(*[nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(4 * LAYERS)])

    def contender(part: str, recipe: str, guard: str) -> Callable[[], object]:
        torch.manual_seed(0)
        model = perceptron() if part == "perceptron" else transformer()
        assert len(list(model.parameters())) == 8 * LAYERS
        inputs = torch.randn(batch, width) if part == "perceptron" else torch.randn(batch, tokens, width)
        run = recipes[recipe].bind(model, total_steps=10**6, guard=guard)
        loss = torch.ones(())
        for param in model.parameters():
            param.grad = torch.randn_like(param) * 1e-3

        def train() -> None:
            run.optimizer.zero_grad()
            loss = (model(inputs) - inputs).square().mean()
            loss.backward()
            run.step(loss)

        return (lambda: run.step(loss)) if part == "step" else train

    calls_by_key: dict[tuple[str, ...], Callable[[], object]] = {}
    for line in sys.stdin:
        *key, calls = line.split()
        call = calls_by_key.get(tuple(key)) or calls_by_key.setdefault(tuple(key), contender(*key))
        call()  # caches belong to whoever ran last
        start = time.thread_time()
        for _ in range(int(calls)):
            call()
        print((time.thread_time() - start) / int(calls) * 1e6, flush=True)


class Version:
    """A checkout at work in a process of its own."""

    def __init__(self, root: Path, options: argparse.Namespace) -> None:
        path = os.pathsep.join(map(str, (root, root / "plugins")))
        sizes = [f"--{name}={getattr(options, name)}" for name in ("width", "batch", "tokens")]
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker", *sizes],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def microseconds(self, part: str, recipe: str, guard: str, calls: int) -> float:
        """Mean microseconds of several calls."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{part} {recipe} {guard} {calls}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="checkout of an earlier commit")
    parser.add_argument("--width", type=int, default=336, help="of the model")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=16, help="of a sequence")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.width, options.batch, options.tokens)
        return
    if options.before is None:
        parser.error("--before PATH is missing: unpack an earlier commit, git archive COMMIT | tar -x -C PATH")
    report = measure(options)
    show(report, options)
    if options.json:
        print(json.dumps(report))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Median microseconds by part, recipe and contender."""
    before, after = Version(options.before.resolve(), options), Version(HERE, options)
    contenders = {"before": (before, "off"), "guard off": (after, "off"), "guard on": (after, "fallback")}
    taken: dict[str, dict[str, list[float]]] = {}
    for _ in range(options.rounds):
        for part in PARTS:
            for recipe in ("default", "adamw"):
                times = taken.setdefault(f"{part} {recipe}", {name: [] for name in contenders})
                for name, (version, guard) in contenders.items():
                    times[name].append(version.microseconds(part, recipe, guard, 5 if part == "step" else 1))
    before.close()
    after.close()
    return {row: {name: statistics.median(values) for name, values in times.items()} for row, times in taken.items()}


def show(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the report as a table."""
    what = {"step": "run.step", "transformer": "transformer, whole step", "perceptron": "perceptron, whole step"}
    print(
        f"48 tensors, width {options.width}, batch {options.batch}, {options.tokens} tokens; 1 thread, medians of "
        f"{options.rounds} rounds in turn, microseconds"
    )
    print(f"{'':32} {'before':>9} {'guard off':>9} {'guard on':>9} {'off':>7} {'on':>7}")
    for row, times in report.items():
        part, recipe = row.split()
        first = times["before"]
        ratios = [times[name] / first for name in ("guard off", "guard on")]
        numbers = " ".join(f"{value:9.0f}" for value in times.values())
        print(f"{recipe + ', ' + what[part]:32} {numbers} {ratios[0]:6.3f}× {ratios[1]:6.3f}×")


if __name__ == "__main__":
    main()
