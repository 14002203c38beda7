"""What a learning-rate controller adds to a training step, on a model of 60 tensors.

    python -m benchmarks.steps.controller_overhead [--width 256] [--threads 1] [--rounds 60] [--json]

Every controller that is installed steps as `run.step` has it do: a table is looked up by `scheduler.step()`; a closed
loop is first told this step's loss, norm and agreement by `scheduler.prepare(…)`. Beside them torch's `LambdaLR`. The
gradient norm is timed inside whole optimizer steps, with `adagrad_norm` and without any controller: AdamW as torch has
it by default, and the fused class that a recipe binds. Rounds go through all of them in turn, so that whatever else
the machine does falls on all; medians, of the norm's share those over rounds. Limits: 2 µs for a table, 40 µs for a
closed loop, 5 % of AdamW's step for one with the norm.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

import metaopt
from metaopt.deploy import GRADIENT_SIGNALS, PLAIN_SIGNALS
from metaopt.deploy.optimizer.precision import gradient_norm
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.registry import current_registry
from metaopt.space import defaults

#: Calls a measurement, for what takes microseconds and for what takes milliseconds.
MANY, FEW = 200, 3
LAYERS = 5
LIMITS = {"table": 2.0, "closed": 40.0}
NORMED, WITH_NORM = "adagrad_norm", " + norm"
ADAMW: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "AdamW, torch's default": torch.optim.AdamW,
    "AdamW, fused, as bound": partial(metaopt.create_optimizer, "adamw"),
}


def tensors(width: int) -> list[nn.Parameter]:
    """The parameters of five blocks of a transformer, 12 each, with gradients; the same at every call."""
    generator, d = torch.Generator().manual_seed(0), width
    matrices = [(d, 3 * d), (3 * d,), (d, d), (d,), (d, 4 * d), (4 * d,), (4 * d, d), (d,)]
    parameters = []
    for shape in (matrices + [(d,)] * 4) * LAYERS:
        param = nn.Parameter(0.02 * torch.randn(shape, generator=generator))
        param.grad = 0.01 * torch.randn(shape, generator=generator)
        parameters.append(param)
    return parameters


def scheduled(spec: ControllerSpec, width: int) -> Callable[[], object]:
    """One step of a controller at its defaults."""
    optimizer = torch.optim.AdamW(tensors(width), lr=1e-3)
    supplies = PLAIN_SIGNALS | GRADIENT_SIGNALS
    scheduler = ControllerScheduler(optimizer, spec, defaults(spec.space), total_steps=100_000, supplies=supplies)
    if not scheduler.needs_gradients:
        return scheduler.step
    signals = {name: torch.tensor(0.5) for name in scheduler.required & GRADIENT_SIGNALS}

    def step() -> None:
        scheduler.prepare(**signals)
        scheduler.step()

    return step


def contenders(width: int) -> dict[str, tuple[str, int, Callable[[], object]]]:
    """Kind, calls a measurement and function, by name."""
    registry, functions = current_registry(), {}
    for name in registry.names(ControllerSpec):
        spec = registry.get(ControllerSpec, name)
        kind = "table" if spec.cadence == "table" else "closed"
        functions[name] = (kind, MANY, scheduled(spec, 16))
    lambda_lr = torch.optim.lr_scheduler.LambdaLR(torch.optim.AdamW(tensors(16)), lambda step: 1.0)
    functions["torch LambdaLR"] = ("peer", MANY, lambda_lr.step)
    for name, make in ADAMW.items():
        optimizer = make(tensors(width))  # one for both: where tensors lie counts too
        normed = with_norm(optimizer, registry.get(ControllerSpec, NORMED))
        functions |= {name: ("step", FEW, optimizer.step), f"{name}{WITH_NORM}": ("step", FEW, normed)}
    return functions


def with_norm(optimizer: torch.optim.Optimizer, spec: ControllerSpec) -> Callable[[], object]:
    """A step of the optimizer at the rate of a controller that looks at the gradients' norm."""
    supplies = PLAIN_SIGNALS | GRADIENT_SIGNALS
    scheduler = ControllerScheduler(optimizer, spec, defaults(spec.space), total_steps=100_000, supplies=supplies)
    params = [param for group in optimizer.param_groups for param in group["params"]]

    def step() -> None:
        scheduler.prepare(gradient_norm=gradient_norm(param.grad for param in params if param.grad is not None))
        optimizer.step()
        scheduler.step()

    return step


def microseconds(function: Callable[[], object], calls: int) -> float:
    """Mean of some calls."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls * 1e6


def measured(functions: dict[str, tuple[str, int, Callable[[], object]]], rounds: int) -> dict[str, list[float]]:
    """Microseconds a call in each round, by name."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, (_, calls, function) in functions.items():
            function()  # caches belong to whoever ran last
            taken[name].append(microseconds(function, calls))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=256, help="of the model whose norm and AdamW are timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", category=UserWarning)  # schedulers step without their optimizers here
    params, functions = tensors(options.width), contenders(options.width)
    taken = measured(functions, options.rounds)
    report: dict[str, Any] = {
        "tensors": len(params),
        "numbers": sum(param.numel() for param in params),
        "threads": options.threads,
        "rounds": options.rounds,
        "torch": torch.__version__,
        "microseconds": {name: statistics.median(times) for name, times in taken.items()},
        "norm_share": {
            name: statistics.median(a / b - 1 for a, b in zip(taken[f"{name}{WITH_NORM}"], taken[name], strict=True))
            for name in ADAMW
        },
    }
    show(report, {name: kind for name, (kind, _, _) in functions.items()})
    if options.json:
        print(json.dumps(report))


def show(report: dict[str, Any], kinds: dict[str, str]) -> None:
    print(
        f"{report['tensors']} tensors, {report['numbers'] / 1e6:.1f} M numbers; {report['threads']} threads, torch "
        f"{report['torch']}, medians of {report['rounds']} rounds in turn"
    )
    times = report["microseconds"]
    for name, kind in sorted(kinds.items(), key=lambda item: ("table", "closed", "peer", "step").index(item[1])):
        limit = f"   limit {LIMITS[kind]:.0f} µs" if kind in LIMITS else ""
        print(f"  {kind:7}{name:32}{times[name]:10.2f} µs{limit}")
    for name, share in report["norm_share"].items():
        print(f"  {NORMED} with the norm adds {share:.1%} to {name}; limit 5 %")


if __name__ == "__main__":
    main()
