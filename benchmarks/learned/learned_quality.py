"""Learned optimizers beside tuned hand-designed ones, on tasks and families that they were never meta-trained on.

    python -m benchmarks.learned.learned_quality [--recipe mlp_lopt] [--celo ../shared/pretrained/celo/FILE]
        [--trials 20] [--candidates 40] [--seeds 3] [--seed 0] [--quick]

NadamW with a schedule, and Schedule-Free AdamW, get `--trials` random settings on every task; the best of them is
chosen by training loss for the one table and by validation loss for the other, and run with other seeds. Learned rules
get one setting for all tasks: as they come (ours under the schedule that it was trained under), and with the rate,
weight decay and schedule that were best in validation, among `--candidates`, on the tasks that `learned_weights.py`
trains on. Training loss is the mean over the last part of a run,
test loss that of the step with the best validation. Both are printed as multiples of tuned NadamW's: geometric means
over tasks with 95 % bootstrap intervals, and on how many tasks they are lower.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import metaopt
from benchmarks.corpora.development_corpus import DATA, development_corpus
from benchmarks.learned.learned_weights import TRAINED_ON
from metaopt.configuration.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.plugin.registry import current_registry
from metaopt.recipe.importing import import_recipe

SCHEDULES = ("constant", "linear", "cosine", "wsd")
#: Losses below this share of that of the first steps count as that.
FLOOR = 1e-4
TABLES = ("letter", "concrete", "yeast", "satimage")
SKIPPED = ("shakespeare_attention", "wikitext_attention")


@dataclass(frozen=True)
class Contender:
    """Settings for one task or for all; `theta` where the rule is learned."""

    name: str
    configurations: tuple[Configuration, ...]
    theta: dict[str, Tensor] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="mlp_lopt", help="name or folder of the recipe with trained weights")
    parser.add_argument("--celo", type=Path, nargs="*", default=[], help="the authors' checkpoints")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--trials", type=int, default=20, help="settings of a hand-designed optimizer on each task")
    parser.add_argument("--candidates", type=int, default=40, help="settings of a learned one on its training tasks")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two tasks of each kind, to see that it works")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    try:
        starter, other = metaopt.load_corpus("starter"), development_corpus(given.data)
        learned = [metaopt.load_recipe(given.recipe), *(import_recipe("celo", one) for one in given.celo)]
    except metaopt.MetaOptError as error:
        sys.exit(str(error))
    kinds = judged_on(starter, other)
    generator = np.random.default_rng(given.seed)
    contenders = [
        Contender("NadamW + schedule, tuned", settings("nadamw", given.trials, generator)),
        Contender("Schedule-Free, tuned", settings("schedulefree_adamw", given.trials, generator)),
    ]
    for recipe in learned:
        contenders += chosen(recipe, [by_loss(starter[name]) for name in TRAINED_ON], given, generator)
    for kind, tasks in kinds.items():
        report(kind, [by_loss(task) for task in (tasks[:2] if given.quick else tasks)], contenders, given)


def judged_on(starter: metaopt.Corpus, other: metaopt.Corpus) -> dict[str, list[metaopt.Task]]:
    """Tasks that nothing here is meta-trained on, by how far they are from those that it is."""
    known = {starter[name].family for name in TRAINED_ON}
    return {
        "unseen tasks of families trained on": [t for t in starter if t.family in known and t.name not in TRAINED_ON],
        "unseen families": [
            *(task for task in starter if task.family not in known),
            *(task for task in other if not task.family.startswith("tabular") and task.name not in SKIPPED),
            *(other[name] for name in TABLES),
        ],
    }


def by_loss(task: metaopt.Task) -> metaopt.Task:
    """Validated by its loss, whatever its metric."""
    return replace(task, metric=None, mode="min")


def settings(name: str, count: int, generator: np.random.Generator) -> tuple[Configuration, ...]:
    """The defaults, and random ones of the plugin's own space under random schedules."""
    spec = current_registry().get(metaopt.OptimizerSpec, name)
    searched = [key for key in ("lr", "weight_decay") if key in spec.space]
    schedules = ("constant",) if name.startswith("schedulefree") else SCHEDULES
    found = [Configuration(name, controller=schedules[-2] if len(schedules) > 1 else "constant")]
    while len(found) < count:
        hparams = {}
        for key in searched:
            low, high = spec.space[key].low, spec.space[key].high
            hparams[f"{name}.{key}"] = float(np.exp(generator.uniform(np.log(low), np.log(high))))
        if "weight_decay" in searched and generator.random() < 0.3:
            hparams[f"{name}.weight_decay"] = 0.0
        found.append(Configuration(name, controller=str(generator.choice(schedules)), hparams=hparams))
    return tuple(found)


def chosen(
    recipe: metaopt.Recipe, tasks: Sequence[metaopt.Task], given: argparse.Namespace, generator: np.random.Generator
) -> list[Contender]:
    """A learned rule as it is, and with the setting that has the lowest validation loss on other tasks, relatively."""
    plain = Configuration(recipe.configuration.optimizer, controller=recipe.configuration.controller)
    theta = dict(recipe.theta or {})
    candidates = [plain, *settings(plain.optimizer, given.candidates, generator)[1:]]
    logs = []
    for task in tasks:
        values = [best_validation(run)[0] for run in run_all(task, candidates, theta, [given.seed])]
        logs.append(np.log(np.asarray(values) + FLOOR))
    mean = np.nan_to_num(np.mean([one - np.nanmin(one) for one in logs], axis=0), nan=np.inf)
    best = candidates[int(np.argmin(mean))]
    label = plain.optimizer
    print(f"{label}, recipe: {best.optimizer}+{best.controller} {dict(best.hparams)}", flush=True)
    return [Contender(f"{label}, as it is", (plain,), theta), Contender(f"{label}, recipe", (best,), theta)]


def run_all(
    task: metaopt.Task, configurations: Sequence[Configuration], theta: dict[str, Tensor] | None, seeds: Sequence[int]
) -> list[metaopt.Curve]:
    """Each configuration with each seed, seeds innermost."""
    assemblies = [assemble(one, current_registry()) for one in configurations]
    members = [Member(assembly, seed) for assembly in assemblies for seed in seeds]
    return [one.curve for one in train(task, members, theta=theta, compile="off")]


def best_validation(curve: metaopt.Curve) -> tuple[float, float]:
    """The best validation loss, and the test loss at that step; infinite where nothing was finite."""
    values = np.nan_to_num(np.asarray(curve.values), nan=np.inf)
    at = int(np.argmin(values))
    return float(values[at]), float(np.nan_to_num(curve.test[at], nan=np.inf))


def last_training(curve: metaopt.Curve) -> float:
    return float(np.nan_to_num(curve.signals["train_loss"][-1], nan=np.inf))


def losses(task: metaopt.Task, contender: Contender, given: argparse.Namespace) -> tuple[float, float]:
    """Training and test loss, means over seeds; of several settings each with the one that was best for it."""
    seeds = range(given.seed + 1, given.seed + 1 + given.seeds)
    if len(contender.configurations) == 1:
        curves = run_all(task, contender.configurations, contender.theta, seeds)
        return mean(map(last_training, curves)), mean(best_validation(one)[1] for one in curves)
    trials = run_all(task, contender.configurations, contender.theta, [given.seed])
    by_training = contender.configurations[int(np.argmin([last_training(one) for one in trials]))]
    by_validation = contender.configurations[int(np.argmin([best_validation(one)[0] for one in trials]))]
    curves = run_all(task, [by_training, by_validation], contender.theta, seeds)
    first, second = curves[: given.seeds], curves[given.seeds :]
    return mean(map(last_training, first)), mean(best_validation(one)[1] for one in second)


def mean(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]


def report(kind: str, tasks: list[metaopt.Task], contenders: list[Contender], given: argparse.Namespace) -> None:
    began, rows = time.perf_counter(), []
    for task in tasks:
        rows.append([losses(task, contender, given) for contender in contenders])
        floor = FLOOR * max(rows[-1][0])
        rows[-1] = [(max(one, floor), max(two, floor)) for one, two in rows[-1]]
        cells = "".join(f"{one:>9.3g}/{two:<9.3g}" for one, two in rows[-1])
        print(f"  {task.name:24}{cells}", flush=True)
    ratios = np.log(np.asarray(rows)) - np.log(np.asarray(rows))[:, :1]
    print(f"\n{kind}: {len(tasks)} tasks, {(time.perf_counter() - began) / 60:.1f} min")
    print(f"{'':38}{'training loss / NadamW':>28}{'lower':>9}{'test loss / NadamW':>28}{'lower':>9}")
    for column, contender in enumerate(contenders):
        text = "".join(told(ratios[:, column, part]) for part in (0, 1))
        print(f"{contender.name:38}{text}")
    print(flush=True)


def told(logs: NDArray[np.float64]) -> str:
    draws = np.random.default_rng(0).integers(len(logs), size=(2000, len(logs)))
    means = logs[draws].mean(1)
    low, middle, high = np.exp([np.quantile(means, 0.025), logs.mean(), np.quantile(means, 0.975)])
    text = f"{middle:.2f} [{low:.2f}, {high:.2f}]"
    return f"{text:>28}{f'{int((logs < 0).sum())}/{len(logs)}':>9}"


if __name__ == "__main__":
    main()
