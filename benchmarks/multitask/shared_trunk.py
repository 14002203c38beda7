"""A shared trunk against separate models, surgery and weighting against the plain mean, adapting against from scratch.

    python -m benchmarks.multitask.shared_trunk [--seeds 10] [--tables FOLDER] [--only FAMILY] [--part arms|adapting]

Two-digit images are made from scikit-learn's digits; the census table is cut by occupation, and left out where the
folder has no `adult.csv.gz`. Every arm trains with AdamW and a cosine, for the same steps on the same batches, at each
of two rates, and has that with the best validation; numbers are test error rates in percent at the best validation,
means over tasks. A seed draws rows, batches and weights. Differences are paired by seed, with 95 % intervals of a t
distribution. Adapted: `metaopt.adapt` of the trunk that equal weights trained, with a new head, on 20 to 200 examples
of the task left out; from scratch: the same call on a model that nobody trained.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from scipy import stats
from torch import nn

import metaopt
from benchmarks.multitask.joint_tasks import census, error_rate, two_digits
from metaopt.configuration import assemble
from metaopt.contracts import Task
from metaopt.inner import Graphs, Member, train
from metaopt.plugin import current_registry

#: Makes tasks, the one left out, and what makes a head for it, from a seed.
Maker: TypeAlias = Callable[[int], tuple[metaopt.MultiTask, Task, Callable[[], nn.Module]]]

RATES = (3e-3, 1e-2)
ARMS: dict[str, dict[str, str]] = {
    "plain mean": {},
    "uncertainty": {"weighting": "uncertainty"},
    "dwa": {"weighting": "dwa"},
    "pcgrad": {"surgery": "pcgrad"},
    "cagrad": {"surgery": "cagrad"},
    "aligned_mtl": {"surgery": "aligned_mtl"},
    "imtl_g": {"surgery": "imtl_g"},
}
SIZES, STEPS = (20, 50, 100, 200), 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tables", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--only", choices=("digits", "census"))
    parser.add_argument("--part", choices=("arms", "adapting"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = options.tables / "adult.csv.gz"
    families: dict[str, Maker] = {"digits": two_digits, "census": lambda seed: census(table, seed)}
    parts = {"arms": arms, "adapting": adapting}
    for family, make in families.items():
        if options.only not in (None, family):
            continue
        if family == "census" and not table.exists():
            print(f"census: left out, for {options.tables} has no adult.csv.gz")
            continue
        for name, part in parts.items():
            if options.part in (None, name):
                began = time.process_time()
                part(family, make, options.seeds)
                print(f"{(time.process_time() - began) / 60:.1f} min of one core\n", flush=True)


def arms(family: str, make: Maker, seeds: int) -> None:
    """A shared trunk under each weighting and surgery, and separate models."""
    errors: dict[str, list[float]] = {}
    graphs, first = Graphs(), make(0)[0]  # seeds differ in their data alone, and share the operations written down
    ones = {task.name: first.single(task.name) for task in first.tasks}
    for seed in range(seeds):
        joint = make(seed)[0]
        graphs.share(joint, first)
        for arm, value in joint_errors(joint, seed, graphs).items():
            errors.setdefault(arm, []).append(value)
        singles = [joint.single(task.name) for task in joint.tasks]
        for single in singles:
            graphs.share(single, ones[single.name])
        alone = statistics.mean(best(single, seed, graphs) for single in singles)
        errors.setdefault("separate models", []).append(alone)
        print(f"{family}, seed {seed}: {errors}", file=sys.stderr, flush=True)
    print(f"{family}: {len(first.tasks)} tasks, {first.num_steps} steps, {seeds} seeds; test error in %")
    print(f"{'arm':<18}{'error':>8}{'against the plain mean':>30}")
    for arm, values in errors.items():
        print(f"{arm:<18}{statistics.mean(values):>8.2f}{interval(values, errors['plain mean']):>30}")


def adapting(family: str, make: Maker, seeds: int) -> None:
    """A trunk adapted to the task left out, beside a model that nobody trained."""
    errors: dict[tuple[str, int], list[float]] = {}
    for seed in range(seeds):
        joint, left_out, head = make(seed)
        for key, value in adapted_errors(joint, left_out, head, seed).items():
            errors.setdefault(key, []).append(value)
        print(f"{family}, seed {seed}: {errors}", file=sys.stderr, flush=True)
    print(f"{family}: adapted to {left_out.name!r}, left out; {STEPS} steps, {seeds} seeds; test error in %")
    print(f"{'examples':<10}{'from scratch':>14}{'adapted':>10}{'difference':>30}")
    for size in SIZES:
        own, scratch = errors["adapted", size], errors["scratch", size]
        print(f"{size:<10}{statistics.mean(scratch):>14.2f}{statistics.mean(own):>10.2f}{interval(own, scratch):>30}")


def joint_errors(joint: metaopt.MultiTask, seed: int, graphs: Graphs) -> dict[str, float]:
    """Test error of each arm, all trained side by side."""
    members = [member(arm, rate, seed) for arm in ARMS for rate in RATES]
    curves = [trained.curve for trained in train(joint, members, compile="off", graphs=graphs)]
    count = len(RATES)
    return {arm: best_of(curves[place * count : (place + 1) * count]) for place, arm in enumerate(ARMS)}


def best(task: Task, seed: int, graphs: Graphs) -> float:
    """Test error of one task at the best of the rates."""
    members = [member("plain mean", rate, seed) for rate in RATES]
    return best_of([trained.curve for trained in train(task, members, compile="off", graphs=graphs)])


def best_of(curves: list[metaopt.Curve]) -> float:
    """Test error in percent at the best validation of several curves."""
    points = [(value, test) for curve in curves for value, test in zip(curve.values, curve.test, strict=True)]
    return 100 * float(min(points)[1])


def member(arm: str, rate: float, seed: int) -> Member:
    """An arm at a rate."""
    return Member(assemble(configuration(rate, **ARMS[arm]), current_registry()), seed)


def configuration(rate: float, **tasks: str) -> metaopt.Configuration:
    """AdamW and a cosine."""
    return metaopt.Configuration("adamw", "cosine", hparams={"adamw.lr": rate}, **tasks)


def adapted_errors(
    joint: metaopt.MultiTask, left_out: Task, head: Callable[[], nn.Module], seed: int
) -> dict[tuple[str, int], float]:
    """Test error of the adapted and of the fresh model, by number of examples."""
    trunk, splits = trained_trunk(joint, seed), left_out.splits
    errors = {}
    for size in SIZES:
        support = splits.train.inputs[:size], splits.train.targets[:size]
        for name in ("adapted", "scratch"):
            points = []
            for rate in RATES:
                torch.manual_seed(seed)
                own = head()
                model = trunk.onto(own) if name == "adapted" else nn.Sequential(joint.trunk(), own)
                recipe = metaopt.Recipe.create(configuration(rate))
                predictor = metaopt.adapt(model, recipe, support, num_steps=STEPS)
                value, test = (
                    float(error_rate(predictor(part.inputs), part.targets)) for part in (splits.validation, splits.test)
                )
                points.append((value, test))
            errors[name, size] = 100 * min(points)[1]
    return errors


def trained_trunk(joint: metaopt.MultiTask, seed: int) -> metaopt.SharedTrunk:
    """All tasks trained in a loop such as users write, at the first rate."""
    model = joint.build(seed)
    assert isinstance(model, metaopt.SharedTrunk)
    run = metaopt.Recipe.create(configuration(RATES[0])).bind(model, total_steps=joint.num_steps)
    train_split = joint.splits.train
    for rows in torch.randint(
        len(train_split), (joint.num_steps, joint.batch_size), generator=torch.Generator().manual_seed(seed)
    ):
        run.optimizer.zero_grad()
        run.step(joint.losses.separate(model(train_split.inputs[rows]), train_split.targets[rows]))
    return model


def interval(values: list[float], others: list[float]) -> str:
    """The mean paired difference with its 95 % interval."""
    differences = np.subtract(values, others)
    if len(values) < 2 or not differences.any():
        return "–"
    half = stats.t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / len(differences) ** 0.5
    return f"{differences.mean():+.2f} [{differences.mean() - half:+.2f}, {differences.mean() + half:+.2f}]"


if __name__ == "__main__":
    main()
