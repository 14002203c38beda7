"""Speed of persistent evolution strategies on `mlp_lopt`, per inner step and pair of trainings, beside JAX's.

    python -m benchmarks.learned.pes_speed [--threads 2] [--tasks 8 32] [--jax PYTHON --learned-optimization FOLDER]

A perceptron 64-32-10 on scikit-learn's digits, batches of 64, truncations of 20 steps, trainings of 20 to 200 steps;
two trainings a pair. All of an estimate is counted: batches, trainings begun anew, the gradient. With --jax the
reference (google/learned_optimization, see pes_jax.py) is measured by that interpreter between two of ours.
"""

import argparse
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import GraphMode
from metaopt.meta.estimators.evolution import Evolution
from metaopt.meta.estimators.parallel_trainings import Trainings
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.task_episodes import few_shot
from metaopt.plugin.registry import current_registry

TRUNCATION, LONGEST, CALLS = 20, 200, 30
UNIT = "µs per inner step and pair"


def estimator(pairs: int, mode: GraphMode) -> Evolution:
    task = few_shot(replace(metaopt.load_corpus("starter")["digits_mlp"], metric=None, mode="min"))
    learner = InnerLoop(replace(task, batch_size=64, episodes_per_iteration=pairs), assembly(), first_order=True)
    return Evolution(Trainings(learner, theta(), longest=LONGEST, truncation=TRUNCATION, mode=mode), deviation=0.01)


def assembly():
    return assemble(Configuration("mlp_lopt"), current_registry())


def theta() -> dict[str, torch.Tensor]:
    learned = assembly()
    return learned.optimizer.meta.init_theta({}, torch.Generator().manual_seed(0), learned.meta_values)


def measured(evolution: Evolution, pairs: int) -> tuple[float, float]:
    """Microseconds per inner step and pair, and seconds until the first estimate was there."""
    weights, generator, times = theta(), torch.Generator().manual_seed(0), []
    began = time.perf_counter()
    _, state = evolution.estimate(weights, {}, generator)
    first = time.perf_counter() - began
    for _ in range(CALLS + 3):
        began = time.perf_counter()
        _, state = evolution.estimate(weights, state, generator)
        times.append(time.perf_counter() - began)
    return statistics.median(times[3:]) / (TRUNCATION * pairs) * 1e6, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tasks", type=int, nargs="+", default=[8, 32], help="pairs of trainings side by side")
    parser.add_argument("--jax", type=Path, help="a Python interpreter that has jax and what pes_jax.py needs")
    parser.add_argument("--learned-optimization", type=Path, help="a checkout of google/learned_optimization")
    options = parser.parse_args()
    if (options.jax is None) != (options.learned_optimization is None):
        sys.exit("--jax and --learned-optimization go together: the interpreter, and the library's checkout.")
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, torch {torch.__version__}")
    for pairs in options.tasks:
        modes: tuple[GraphMode, ...] = ("compiled", "replayed")
        evolutions = {mode: estimator(pairs, mode) for mode in modes}
        for mode, evolution in evolutions.items():
            microseconds, first = measured(evolution, pairs)
            print(
                f"metaopt, {mode:20} {pairs:>3} tasks: {microseconds:6.0f} {UNIT}, {first:5.1f} s to the first",
                flush=True,
            )
        if options.jax is not None:
            script = Path(__file__).with_name("pes_jax.py")
            subprocess.run(
                [options.jax, "-W", "ignore", script, options.learned_optimization, str(pairs), str(options.threads)],
                check=True,
            )
            microseconds, _ = measured(evolutions["compiled"], pairs)
            print(f"metaopt, compiled, again      {pairs:>3} tasks: {microseconds:6.0f} {UNIT}", flush=True)


if __name__ == "__main__":
    main()
