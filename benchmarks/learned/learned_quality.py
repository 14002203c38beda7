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
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.plugin.registry import current_registry
from metaopt.recipe.importing import import_recipe

SCHEDULES = ("constant", "linear", "cosine", "wsd")
#: Losses below this share of the loss of the first steps are counted as this share.
FLOOR = 1e-4
TABLES = ("letter", "concrete", "yeast", "satimage")
SKIPPED = ("shakespeare_attention", "wikitext_attention")


@dataclass(frozen=True)
class Competitor:
    """A rule with the settings that it may choose from on each task; `theta` where the rule is learned."""

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
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        starter, development = metaopt.load_corpus("starter"), development_corpus(options.data)
        learned = [
            metaopt.load_recipe(options.recipe),
            *(import_recipe("celo", checkpoint) for checkpoint in options.celo),
        ]
    except metaopt.MetaOptError as error:
        sys.exit(str(error))
    kinds = judged_on(starter, development)
    generator = np.random.default_rng(options.seed)
    contenders = [
        Competitor("NadamW + schedule, tuned", settings("nadamw", options.trials, generator)),
        Competitor("Schedule-Free, tuned", settings("schedulefree_adamw", options.trials, generator)),
    ]
    for recipe in learned:
        contenders += chosen(recipe, [by_loss(starter[name]) for name in TRAINED_ON], options, generator)
    for kind, tasks in kinds.items():
        report(kind, [by_loss(task) for task in (tasks[:2] if options.quick else tasks)], contenders, options)


def judged_on(starter: metaopt.Corpus, development: metaopt.Corpus) -> dict[str, list[metaopt.Task]]:
    """Tasks that no rule is meta-trained on, grouped by whether their family is."""
    known = {starter[name].family for name in TRAINED_ON}
    return {
        "unseen tasks of families trained on": [t for t in starter if t.family in known and t.name not in TRAINED_ON],
        "unseen families": [
            *(task for task in starter if task.family not in known),
            *(task for task in development if not task.family.startswith("tabular") and task.name not in SKIPPED),
            *(development[name] for name in TABLES),
        ],
    }


def by_loss(task: metaopt.Task) -> metaopt.Task:
    """The task with its loss as its metric."""
    return replace(task, metric=None, mode="min")


def settings(name: str, count: int, generator: np.random.Generator) -> tuple[Configuration, ...]:
    """The plugin's defaults, then random hyperparameters of its own space under random schedules."""
    spec = current_registry().get(metaopt.OptimizerSpec, name)
    searched = [key for key in ("lr", "weight_decay") if key in spec.space]
    schedules = ("constant",) if name.startswith("schedulefree") else SCHEDULES
    configurations = [Configuration(name, controller=schedules[-2] if len(schedules) > 1 else "constant")]
    while len(configurations) < count:
        hparams = {}
        for key in searched:
            low, high = spec.space[key].low, spec.space[key].high
            hparams[f"{name}.{key}"] = float(np.exp(generator.uniform(np.log(low), np.log(high))))
        if "weight_decay" in searched and generator.random() < 0.3:
            hparams[f"{name}.weight_decay"] = 0.0
        configurations.append(Configuration(name, controller=str(generator.choice(schedules)), hparams=hparams))
    return tuple(configurations)


def chosen(
    recipe: metaopt.Recipe, tasks: Sequence[metaopt.Task], options: argparse.Namespace, generator: np.random.Generator
) -> list[Competitor]:
    """A learned rule with its defaults, and with the setting of the relatively lowest validation loss on `tasks`."""
    plain = Configuration(recipe.configuration.optimizer, controller=recipe.configuration.controller)
    theta = dict(recipe.theta or {})
    candidates = [plain, *settings(plain.optimizer, options.candidates, generator)[1:]]
    logs = []
    for task in tasks:
        values = [best_validation(run)[0] for run in run_all(task, candidates, theta, [options.seed])]
        logs.append(np.log(np.asarray(values) + FLOOR))
    mean = np.nan_to_num(
        np.mean([losses_of_task - np.nanmin(losses_of_task) for losses_of_task in logs], axis=0), nan=np.inf
    )
    best = candidates[int(np.argmin(mean))]
    label = plain.optimizer
    print(f"{label}, recipe: {best.optimizer}+{best.controller} {dict(best.hparams)}", flush=True)
    return [Competitor(f"{label}, as it is", (plain,), theta), Competitor(f"{label}, recipe", (best,), theta)]


def run_all(
    task: metaopt.Task, configurations: Sequence[Configuration], theta: dict[str, Tensor] | None, seeds: Sequence[int]
) -> list[metaopt.Curve]:
    """Curves of each configuration with each seed, seeds innermost."""
    assemblies = [assemble(configuration, current_registry()) for configuration in configurations]
    members = [Member(assembly, seed) for assembly in assemblies for seed in seeds]
    return [member.curve for member in train(task, members, theta=theta, compile="off")]


def best_validation(curve: metaopt.Curve) -> tuple[float, float]:
    """The best validation loss, and the test loss at that step; infinite where nothing was finite."""
    values = np.nan_to_num(np.asarray(curve.values), nan=np.inf)
    at = int(np.argmin(values))
    return float(values[at]), float(np.nan_to_num(curve.test[at], nan=np.inf))


def last_training(curve: metaopt.Curve) -> float:
    return float(np.nan_to_num(curve.signals["train_loss"][-1], nan=np.inf))


def losses(task: metaopt.Task, contender: Competitor, options: argparse.Namespace) -> tuple[float, float]:
    """Training and test loss, means over seeds; a contender with several settings uses the best for each loss."""
    seeds = range(options.seed + 1, options.seed + 1 + options.seeds)
    if len(contender.configurations) == 1:
        curves = run_all(task, contender.configurations, contender.theta, seeds)
        return mean(map(last_training, curves)), mean(best_validation(curve)[1] for curve in curves)
    trials = run_all(task, contender.configurations, contender.theta, [options.seed])
    by_training = contender.configurations[int(np.argmin([last_training(curve) for curve in trials]))]
    by_validation = contender.configurations[int(np.argmin([best_validation(curve)[0] for curve in trials]))]
    curves = run_all(task, [by_training, by_validation], contender.theta, seeds)
    first, second = curves[: options.seeds], curves[options.seeds :]
    return mean(map(last_training, first)), mean(best_validation(curve)[1] for curve in second)


def mean(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]


def report(kind: str, tasks: list[metaopt.Task], contenders: list[Competitor], options: argparse.Namespace) -> None:
    began, rows = time.perf_counter(), []
    for task in tasks:
        rows.append([losses(task, contender, options) for contender in contenders])
        floor = FLOOR * max(rows[-1][0])
        rows[-1] = [(max(training, floor), max(test, floor)) for training, test in rows[-1]]
        cells = "".join(f"{training:>9.3g}/{test:<9.3g}" for training, test in rows[-1])
        print(f"  {task.name:24}{cells}", flush=True)
    ratios = np.log(np.asarray(rows)) - np.log(np.asarray(rows))[:, :1]
    print(f"\n{kind}: {len(tasks)} tasks, {(time.perf_counter() - began) / 60:.1f} min")
    print(f"{'':38}{'training loss / NadamW':>28}{'lower':>9}{'test loss / NadamW':>28}{'lower':>9}")
    for column, contender in enumerate(contenders):
        text = "".join(ratio_cells(ratios[:, column, part]) for part in (0, 1))
        print(f"{contender.name:38}{text}")
    print(flush=True)


def ratio_cells(logs: NDArray[np.float64]) -> str:
    draws = np.random.default_rng(0).integers(len(logs), size=(2000, len(logs)))
    means = logs[draws].mean(1)
    low, middle, high = np.exp([np.quantile(means, 0.025), logs.mean(), np.quantile(means, 0.975)])
    text = f"{middle:.2f} [{low:.2f}, {high:.2f}]"
    return f"{text:>28}{f'{int((logs < 0).sum())}/{len(logs)}':>9}"


if __name__ == "__main__":
    main()
