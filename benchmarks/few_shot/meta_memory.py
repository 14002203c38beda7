"""Memory of a meta-training: resident memory after 100 iterations, a validation among them, and after 10,000.

    python -m benchmarks.few_shot.meta_memory [--rules meta_sgd maml reptile] [--iterations 10000]

Sinusoids from five points, validated every 100 iterations, one process a rule.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import replace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", nargs="*", default=["meta_sgd", "maml", "reptile", "meta_lstm"])
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--compile", choices=("on", "off"), default="off")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(grown(options.here, options.iterations, options.compile))
        return
    for rule in options.rules:
        command = ["--here", rule, "--iterations", str(options.iterations), "--compile", options.compile]
        subprocess.run([sys.executable, __file__, *command], check=True)


def grown(rule: str, iterations: int, compile: str) -> str:
    import torch

    from metaopt.configuration import Configuration, assemble
    from metaopt.meta import Trainer
    from metaopt.plugin.registry import current_registry
    from metaopt_corpora.sinusoid_episodes import sinusoid_task

    torch.set_num_threads(1)
    task = replace(sinusoid_task(5), num_iterations=iterations, num_validations=iterations // 100)
    trainer = Trainer(assemble(Configuration(rule), current_registry()), [task], compile=compile)
    done, memory = [0], {}

    def check() -> None:
        if done[0] in (100, iterations - 1):
            memory[done[0]] = resident()
        done[0] += 1

    trainer.train(check=check)
    first, last = memory.values()
    grown = last / first - 1
    return f"{rule:12}{first:>8.1f} MiB after 100, {last:>8.1f} MiB after {iterations:,} iterations: {grown:+.2%}"


def resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
