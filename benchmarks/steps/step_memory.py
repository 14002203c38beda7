"""Memory of a long training: resident memory after 1,000 steps of `run.step` and after 200,000, beside plain torch.

    python -m benchmarks.steps.step_memory [--recipes default mlp_lopt greedy] [--steps 200000] [--json]

A perceptron of 4,737 parameters with a fixed batch, a validation every 100 steps, one process a recipe. `torch` is the
same loop with `torch.optim.AdamW` and its cosine schedule alone.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable

WARM = 1_000
RECIPES = ("torch", "default", "adamw+cosine", "mlp_lopt", "learned_schedule", "greedy", "hypergradient", "plateau")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="*", default=RECIPES, choices=RECIPES)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(resident_at(options.here, options.steps)))
        return
    print(f"resident memory, MiB, after {WARM:,} steps and after {options.steps:,}")
    report = {}
    for recipe in options.recipes:
        command = [
            sys.executable,
            "-m",
            "benchmarks.steps.step_memory",
            "--here",
            recipe,
            "--steps",
            str(options.steps),
        ]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        first, last = report[recipe] = json.loads(told)
        print(f"{recipe:18}{first:>8.1f}{last:>8.1f}  {last / first - 1:+.2%}", flush=True)
    if options.json:
        print(json.dumps(report))


def resident_at(recipe: str, steps: int) -> list[float]:
    """MiB after the warm steps and after all."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # recipes are used far outside of what they were made on
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    inputs = torch.randn(32, 8)
    targets = inputs.sum(1, keepdim=True).sin()
    step, observe = loop_of(recipe, model, steps)
    memory = []
    for number in range(1, steps + 1):
        model.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        step(loss)
        if number % 100 == 0:
            observe(float(loss))
        if number in (WARM, steps):
            memory.append(resident())
    return memory


def loop_of(recipe: str, model: "nn.Module", steps: int) -> tuple[Callable[..., object], Callable[..., object]]:  # noqa: F821
    """What steps, and what takes in a validation."""
    import torch

    import metaopt
    from metaopt import Configuration

    if recipe == "torch":
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

        def step(loss: torch.Tensor) -> None:
            optimizer.step()
            schedule.step()

        return step, float
    if recipe in ("default", "mlp_lopt", "learned_schedule"):
        made = metaopt.load_recipe(recipe)
    else:
        optimizer_name, _, controller = recipe.rpartition("+")
        made = metaopt.Recipe.create(Configuration(optimizer_name or "adamw", controller))
    # A learned rule past its longest training would hand over, and another rule be measured.
    run = made.bind(model, total_steps=steps, guard="off" if recipe == "mlp_lopt" else "fallback")
    return run.step, run.observe


def resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
