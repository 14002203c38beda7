"""One step of learned optimizers for whole trainings on one matrix: seconds, and memory beyond the optimizer's state.

`mlp_lopt`, `celo` and `celo_adam` with random weights, eager and compiled, beside torch's AdamW. Medians of rounds in
which sides take turns, so that each finds the others' numbers in the cache, and of the same side in a row. Memory is
the most that a step holds at once of tensors that it makes, in copies of the parameters.
With `--jax`, also learned_optimization's jitted small_fc_lopt, where it is installed.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

import metaopt
from metaopt.plugin.registry import current_registry

RULES = ("mlp_lopt", "celo", "celo_adam")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="rows and columns")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jax", action="store_true", help="compare with learned_optimization in JAX")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"one {options.size} × {options.size} matrix, {options.threads} threads, torch {torch.__version__}")
    sides: dict[str, Callable[[], object]] = {"torch AdamW, foreach": adamw(options.size)}
    first_seconds = {}
    for rule in RULES:
        for compile in (False, True):
            name = f"{rule}, {'compiled' if compile else 'eager'}"
            side = learned(rule, options.size, compile)
            began = time.perf_counter()
            side()
            first_seconds[name] = time.perf_counter() - began
            sides[name] = side
    if options.jax:
        sides["small_fc_lopt in JAX, jitted"] = in_jax(options.size)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            seconds[name].append(timed(side))
    report = {}
    for name, side in sides.items():
        median = 1000 * statistics.median(seconds[name])
        copies = peak_bytes(side) / (4 * options.size**2) if "JAX" not in name else float("nan")
        again = 1000 * statistics.median(timed(side) for _ in range(options.rounds))
        first = f"{first_seconds[name]:.1f} s to make" if "compiled" in name else ""
        print(f"  {name:30}{median:>9.2f} ms{again:>9.2f} ms{copies:>8.2f} copies   {first}", flush=True)
        report[name] = {
            "ms": median,
            "ms_in_a_row": again,
            "copies": copies,
            "seconds_to_make": first_seconds.get(name),
        }
    if options.json:
        print(json.dumps(report))


def timed(side: Callable[[], object]) -> float:
    began = time.perf_counter()
    side()
    return time.perf_counter() - began


def parameter(size: int) -> torch.nn.Parameter:
    generator = torch.Generator().manual_seed(0)
    tensor = torch.nn.Parameter(torch.randn(size, size, generator=generator))
    tensor.grad = torch.randn(size, size, generator=generator)
    return tensor


def adamw(size: int) -> Callable[[], object]:
    optimizer = torch.optim.AdamW([parameter(size)], foreach=True)
    optimizer.step()
    return optimizer.step


def learned(rule: str, size: int, compile: bool) -> Callable[[], object]:
    spec = current_registry().get(metaopt.OptimizerSpec, rule)
    values = {name: distribution.default for name, distribution in spec.meta.full_space.items()}
    theta = spec.meta.init_theta({}, torch.Generator().manual_seed(0), values)
    optimizer = metaopt.RuleOptimizer([parameter(size)], rule, theta=theta, horizon=10_000, compile=compile)
    return lambda: optimizer.step(loss=1.0)


def peak_bytes(side: Callable[[], object]) -> float:
    """Most bytes of tensors that a step makes and holds at once."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        side()
    held_bytes, most_bytes = 0, 0
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held_bytes += event.nbytes()
        most_bytes = max(most_bytes, held_bytes)
    return most_bytes


def in_jax(size: int) -> Callable[[], object]:
    import jax
    import jax.numpy as jnp
    from learned_optimization.learned_optimizers.adafac_mlp_lopt import AdafacMLPLOpt

    rule = AdafacMLPLOpt()
    optimizer = rule.opt_fn(rule.init(jax.random.PRNGKey(0)))
    state = optimizer.init({"w": jnp.ones((size, size))}, num_steps=10_000)
    grads = {"w": jnp.ones((size, size))}
    update = jax.jit(lambda state: optimizer.update(state, grads, loss=1.0))
    jax.block_until_ready(update(state))
    return lambda: jax.block_until_ready(update(state))


if __name__ == "__main__":
    main()
