"""Few-shot classification of Omniglot characters beside the papers' numbers (MAML, Meta-SGD: Li et al. 2017, table 2).

Four blocks of 64 with strides, 28×28, classes divided 1,200 / 423 at random, 100 of the 1,200 to choose the weights by,
rotations as further classes in meta-training. Accuracies are on episodes of the 423, with their 95 % intervals over
episodes, for 1 and 5 queries a class; batch norm takes the statistics of the examples at hand, as MAML does. With
`--against`, also what SGD and Adam reach from fresh models, and SGD from the rule's own start, each at its best of many
rates on validation episodes and at the same number of steps.
"""

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

import metaopt
from metaopt.configuration import Configuration
from metaopt.meta.evaluation import few_shot_metrics
from metaopt.plugin.registry import current_registry
from metaopt_corpora.omniglot import omniglot_task

PAPER = {
    ("maml", 5, 1): 98.7,
    ("meta_sgd", 5, 1): 99.53,
    ("maml", 5, 5): 99.9,
    ("meta_sgd", 5, 5): 99.93,
    ("maml", 20, 1): 95.8,
    ("meta_sgd", 20, 1): 95.93,
}
#: Learning rates that the peers of `--against` choose from.
RATES = [10 ** (-3 + 0.25 * step) for step in range(13)]
HPARAMS: dict[str, dict[str, float]] = {"maml": {"lr": 0.4}, "meta_sgd": {"initial_lr": 0.4}, "proto_maml": {"lr": 0.1}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/omniglot")
    parser.add_argument("--rule", default="meta_sgd", help="a learned rule")
    parser.add_argument("--ways", type=int, default=5)
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=6000)
    parser.add_argument("--episodes", type=int, default=16, help="episodes an iteration")
    parser.add_argument("--queries", type=int, default=5, help="a class in meta-training and validation")
    parser.add_argument("--steps", type=int, nargs="*", default=[1, 3], help="inner steps in the test")
    parser.add_argument("--inner-steps", type=int, default=0, help="in meta-training; 0 for one")
    parser.add_argument("--outer-lr", type=float, help="of the outer Adam; the rule's default if left out")
    parser.add_argument("--outer-final", type=float, default=1.0, help="share of the outer rate at the end")
    parser.add_argument("--width", type=int, default=64, help="of the convolutions")
    parser.add_argument("--validations", type=int, default=20)
    parser.add_argument("--validated", type=int, default=200, help="episodes of a validation")
    parser.add_argument("--against", action="store_true", help="compare with SGD and Adam, tuned")
    parser.add_argument("--tested", type=int, default=1000, help="test episodes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--checkpoints", type=Path, help="folder; the same one resumes")
    parser.add_argument("--save", type=Path, help="folder of the recipe")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    task = omniglot_task(options.data, options.ways, options.shots, options.queries)
    task = replace(
        task,
        model=partial(metaopt.Conv4, options.ways, width=options.width),
        num_steps=options.inner_steps or 1,
        episodes_per_iteration=options.episodes,
        num_iterations=options.iterations,
        num_validations=options.validations,
        num_evaluated=options.validated,
    )
    chosen = {"outer_lr": options.outer_lr} if options.outer_lr is not None else {}
    hparams = {**HPARAMS.get(options.rule, {}), **chosen, "outer_final": options.outer_final}
    print(
        f"{options.ways}-way {options.shots}-shot, {options.rule} {hparams}, width {options.width}, seed {options.seed}"
    )
    print(
        f"{options.iterations:,} iterations of {options.episodes} episodes, {options.queries} queries a class, "
        f"{options.threads} threads, {options.device}"
    )
    result = metaopt.meta_train(
        options.rule,
        task,
        hparams,
        seed=options.seed,
        folder=options.checkpoints,
        device=options.device,
        progress=Reporter(),
    )
    print(f"meta-training took {result.seconds / 60:.1f} min, {result.skipped} iterations skipped")
    if options.save:
        result.recipe.save(options.save)
    paper = PAPER.get((options.rule, options.ways, options.shots))
    print(f"paper: {paper if paper is not None else 'none'}")
    rows = []
    for steps in options.steps:
        for queries in (1, 5):
            judged = replace(omniglot_task(options.data, options.ways, options.shots, queries), model=task.model)
            accuracies = 100 * few_shot_metrics(
                result.recipe, judged, current_registry(), num_steps=steps, count=options.tested
            )
            half = 1.96 * float(accuracies.std()) / len(accuracies) ** 0.5
            print(f"{steps} steps, {queries} queries a class: {float(accuracies.mean()):.2f} ±{half:.2f}", flush=True)
            rows.append({"steps": steps, "queries": queries, "accuracy": float(accuracies.mean()), "half": half})
    if options.against:
        compare(result.recipe, task, options)
    if options.json:
        print(json.dumps({"rule": options.rule, "paper": paper, "minutes": result.seconds / 60, "rows": rows}))


def compare(recipe: metaopt.Recipe, task: metaopt.FewShotTask, options: argparse.Namespace) -> None:
    """Compare with SGD and Adam: as many steps, the same test episodes, rates chosen on validation episodes."""
    start = {name: tensor for name, tensor in recipe.theta.items() if name.startswith("start.")}
    settings = {
        "SGD, fresh model": [("sgd", {"sgd.lr": lr}, None) for lr in RATES],
        "Adam, fresh model": [("adamw", {"adamw.lr": lr, "adamw.weight_decay": 0.0}, None) for lr in RATES],
        "SGD, the rule's start": [("maml", {"maml.lr": lr}, start) for lr in RATES],
    }
    steps = task.num_steps
    print(f"{options.tested} test episodes, {steps} steps, {options.queries} queries a class")
    own = print_accuracy(options.rule, recipe, task, steps, options.tested)
    for name, grid in settings.items():
        recipes = [metaopt.Recipe.create(Configuration(rule, hparams=hp), theta=theta) for rule, hp, theta in grid]
        few = replace(task, num_evaluated=100)
        accuracies = [
            float(
                few_shot_metrics(candidate, few, current_registry(), partition="validation", num_steps=steps)
                .mean()
                .nan_to_num(0.0)
            )
            for candidate in recipes
        ]
        best = max(range(len(accuracies)), key=accuracies.__getitem__)
        theirs = print_accuracy(f"{name}, lr {RATES[best]:.3g}", recipes[best], task, steps, options.tested)
        ahead = own - theirs
        half = 1.96 * float(ahead.std()) / len(ahead) ** 0.5
        print(f"  {options.rule} is ahead by {float(ahead.mean()):+.2f} ±{half:.2f}, paired by episode", flush=True)


def print_accuracy(
    name: str, recipe: metaopt.Recipe, task: metaopt.FewShotTask, steps: int, count: int
) -> torch.Tensor:
    accuracies = 100 * few_shot_metrics(recipe, task, current_registry(), num_steps=steps, count=count)
    print(
        f"  {name:40}{float(accuracies.mean()):>8.2f} ±{1.96 * float(accuracies.std()) / len(accuracies) ** 0.5:.2f}",
        flush=True,
    )
    return accuracies


class Reporter:
    """Prints the progress of meta-training twenty times."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._last_twentieth = 0

    def __call__(self, progress: metaopt.MetaProgress) -> None:
        twentieth = progress.iteration * 20 // progress.num_iterations
        if twentieth <= self._last_twentieth:
            return
        self._last_twentieth = twentieth
        minutes = (time.perf_counter() - self._began) / 60
        print(
            f"  {progress.iteration:,}: loss {progress.objective:.4f}, validation {100 * progress.validation:.2f}, "
            f"{progress.rate:.1f} iterations a second, {minutes:.1f} min",
            flush=True,
        )


if __name__ == "__main__":
    main()
