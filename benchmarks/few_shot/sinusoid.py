"""Few-shot regression of waves: MAML and Meta-SGD, one inner step, beside the numbers of their papers.

The paper is Li et al. 2017 (arXiv:1707.09835, table 1), which has both. Amplitude [0.1, 5], frequency [0.8, 1.2], phase
[0, π], x in [-5, 5]; an MLP of 1-40-40-1; meta-trained with 5 or 10 points on 60,000 iterations of 4 waves with 10
query points; tested on waves never seen, with 5, 10 and 20 points and 100 queries each. Intervals are 95 %, over waves.
Memory is how much more the process holds at most than it did at the first of ten validations.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

import torch

import metaopt
from metaopt.meta.evaluation import few_shot_metrics
from metaopt.plugin.registry import current_registry
from metaopt_corpora.sinusoid_episodes import sinusoid_task

PAPER = {
    ("maml", 5): (1.13, 0.85, 0.71),
    ("meta_sgd", 5): (0.90, 0.63, 0.50),
    ("maml", 10): (1.17, 0.77, 0.56),
    ("meta_sgd", 10): (0.88, 0.53, 0.35),
}
HPARAMS: dict[str, dict[str, float]] = {"maml": {"lr": 0.01}, "meta_sgd": {"initial_lr": 0.05}}
TEST_SHOTS = (5, 10, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=60_000)
    parser.add_argument("--waves", type=int, default=2000, help="test waves a cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"{options.iterations:,} iterations, seed {options.seed}, {options.threads} threads, "
        f"{options.waves:,} waves a cell"
    )
    print(
        f"{'rule':10}{'trained':>9}"
        + "".join(f"{f'{shots} test shots':>26}" for shots in TEST_SHOTS)
        + f"{'minutes':>10}{'memory':>9}"
    )
    rows = [row(rule, shots, options) for rule, shots in PAPER]
    worse = [
        f"{result['rule']} {result['trained']}"
        for result in rows
        if any(ours > paper for ours, paper in result["cells"])
    ]
    print(f"At or below the paper in every cell: {'yes' if not worse else 'no: ' + ', '.join(worse)}.")
    if options.json:
        print(json.dumps({"iterations": options.iterations, "seed": options.seed, "rows": rows}))


def resident() -> int:
    """Bytes of memory that the process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def row(rule: str, shots: int, options: argparse.Namespace) -> dict:
    began = time.perf_counter()
    memory: list[int] = []
    result = metaopt.meta_train(
        rule,
        sinusoid_task(shots),
        HPARAMS[rule],
        num_iterations=options.iterations,
        seed=options.seed,
        progress=lambda progress: memory.append(resident()) if progress.validation == progress.validation else None,
    )
    minutes = (time.perf_counter() - began) / 60
    cells, columns = [], ""
    for test_shots, paper in zip(TEST_SHOTS, PAPER[rule, shots], strict=True):
        task = dataclasses.replace(sinusoid_task(test_shots), num_evaluated=options.waves)
        errors = few_shot_metrics(result.recipe, task, current_registry())
        ours, interval = float(errors.mean()), 1.96 * float(errors.std()) / len(errors) ** 0.5
        columns += f"{ours:>11.2f} ±{interval:.2f} ({paper:.2f})"
        cells.append((ours, paper))
    growth = max(memory[1:]) / memory[0] - 1
    print(f"{rule:10}{shots:>9}" + columns + f"{minutes:>10.1f}{growth:>9.1%}", flush=True)
    return {"rule": rule, "trained": shots, "cells": cells, "minutes": minutes}


if __name__ == "__main__":
    main()
