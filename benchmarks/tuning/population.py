"""Training 128 members side by side against a plain torch loop with torch.optim.AdamW, one thread each, in one run.

    python -m benchmarks.tuning.population [--members 128] [--steps 300] [--batches own|shared] [--rounds 5] [--json]

Both sides train scikit-learn's digits with a perceptron 64-32-10 in batches of 64, and evaluate the validation and the
test split as often. Every round runs each contender once, in turn, so that whatever else the machine does falls on all
of them; times are those of the thread's processor clock. Graphs are made in a round that does not count, and timed.
The last line is the share of the time that goes to evaluations, by a population that is evaluated as often as the
corpus asks for against one that is evaluated once.
"""

import argparse
import dataclasses
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Graphs, Member, train
from metaopt.inner.gradients.batches import batch_indices
from metaopt.plugin.registry import current_registry

RATE = 1e-3


def plain(task: metaopt.Task, seed: int) -> list[float]:
    """One run as most people write it; returns its validation values."""
    model = task.build(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    data = task.splits
    values = []
    for step, rows in enumerate(batch_indices(len(data.train), task.batch_size, task.num_steps, seed), start=1):
        optimizer.zero_grad()
        loss = task.loss(model(data.train.inputs[rows]), data.train.targets[rows])
        loss.backward()
        optimizer.step()
        if step in task.validation_steps:
            with torch.no_grad():
                values.append(float(task.measure(model(data.validation.inputs), data.validation.targets)))
                task.measure(model(data.test.inputs), data.test.targets)
    return values


def seconds(run: Callable[[], object]) -> float:
    start = time.thread_time()
    run()
    return time.thread_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=128)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--validations", type=int, default=1)
    parser.add_argument("--batches", choices=("own", "shared"), default="own", help="a seed a member, or one for all")
    parser.add_argument("--plain-runs", type=int, default=4, help="runs of the plain loop a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=DeprecationWarning)

    digits = metaopt.load_corpus("starter")["digits_mlp"]
    task = dataclasses.replace(digits, num_steps=options.steps, num_validations=options.validations)
    hparams = {"adamw.lr": RATE, "adamw.weight_decay": 0.0}
    assembly = assemble(Configuration("adamw", hparams=hparams), current_registry())
    seeds = [index if options.batches == "own" else 0 for index in range(options.members)]
    members = [Member(assembly, seed) for seed in seeds]
    graphs = Graphs()  # held for all populations, as a study does
    contenders: dict[str, tuple[int, Callable[[], object]]] = {
        "plain torch": (options.plain_runs, lambda: [plain(task, seed) for seed in range(options.plain_runs)]),
        "population": (options.members, lambda: train(task, members, compile="off", graphs=graphs)),
        "population, compiled": (options.members, lambda: train(task, members, compile="on", graphs=graphs)),
    }
    seldom, often = (dataclasses.replace(task, num_validations=count) for count in (1, digits.num_validations))
    contenders["evaluated once"] = (options.members, lambda: train(seldom, members, compile="off", graphs=graphs))
    contenders["evaluated as asked"] = (options.members, lambda: train(often, members, compile="off", graphs=graphs))
    first = {name: seconds(run) for name, (_, run) in contenders.items()}
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, (count, run) in contenders.items():
            taken[name].append(seconds(run) / (count * options.steps) * 1e6)
    micros = {name: statistics.median(values) for name, values in taken.items()}
    ratios = {name: micros["plain torch"] / value for name, value in micros.items()}
    evaluation = 1 - micros["evaluated once"] / micros["evaluated as asked"]
    reference = plain(task, seeds[-1])[-1]
    differences = {
        mode: abs(train(task, members, compile=mode, graphs=graphs)[-1].curve.values[-1] - reference)
        for mode in ("off", "on")
    }

    print(
        f"{options.members} members, MLP 64-32-10 on digits, batch {task.batch_size}, {options.steps} steps, AdamW,"
        f" torch {torch.__version__},"
    )
    print(f"{options.validations} validations, seeds 0-{max(seeds)}, {options.batches} batches,")
    print(f"one thread each, medians of {options.rounds} rounds, microseconds of processor time a member-step")
    for name in ("plain torch", "population", "population, compiled"):
        value = micros[name]
        first_seconds = first[name] - value * 1e-6 * contenders[name][0] * options.steps
        print(
            f"  {name:22s} {value:7.1f}   {ratios[name]:5.1f} ×   (first round: {max(first_seconds, 0.0):.1f} s more)"
        )
    print(f"  validation loss differs from plain torch's by {differences['off']:.1e}, compiled {differences['on']:.1e}")
    share = f"{max(evaluation, 0.0):.0%} of the time"
    print(f"  evaluating {digits.num_validations} times in {options.steps} steps takes {share}")
    if options.json:
        report = {**vars(options), "microseconds": micros, "ratios": ratios, "differences": differences, "first": first}
        report["evaluation"] = evaluation
        print(json.dumps({**report, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
