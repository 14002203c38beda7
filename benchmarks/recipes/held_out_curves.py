"""How fast the default recipe and its peers learn tasks of kinds that no tuning saw.

    python -m benchmarks.recipes.held_out_curves [--recipe default] [--seeds 3] [--out FILE.json] [--json]

The tasks are the generated ones of `benchmarks/corpora/synthetic_tasks.py`: shapes to tell apart, the labels and
numbers of deep random networks, random chains of tokens, targets that are mostly noise. None of their families is in
the corpus that the default recipe was tuned on. Every contender trains each task once a seed, with the same weights and
batches, in an ordinary loop. At each validation the test loss at the best validation so far is noted, as a multiple of
the test loss that AdamW at 1e-3 ends with on the task, mean over seeds: below 1 is better than AdamW's whole run. The
table and the curves have the median over tasks and the middle half of them.
"""

import argparse
import json
import math
import statistics
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import metaopt
from benchmarks.corpora.synthetic_tasks import plateaus, synthetic

#: What people use otherwise, at the defaults of the plugins.
PEERS = {
    "AdamW 1e-3": metaopt.Configuration("adamw", "constant", hparams={"adamw.lr": 1e-3}),
    "Schedule-Free": metaopt.Configuration("schedulefree_adamw", "constant"),
    "Prodigy": metaopt.Configuration("prodigy", "constant"),
}
#: A loss that is not finite counts as this multiple of AdamW's.
WORST = 100.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="default", help="name or folder of a recipe")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the curves to this file")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    try:
        recipe = metaopt.load_recipe(options.recipe)
    except metaopt.MetaOptError as error:
        sys.exit(str(error))
    tasks = [*synthetic(), *plateaus()]
    contenders = {
        f"{options.recipe} recipe": recipe,
        **{name: metaopt.Recipe.create(configuration) for name, configuration in PEERS.items()},
    }
    curves = {task.name: task_curves(task, contenders, options.seeds) for task in tasks}
    families = sorted({task.family for task in tasks})
    print(f"{len(tasks)} tasks of {len(families)} families ({', '.join(families)}), {options.seeds} seeds")
    print("\n".join(table(curves, list(contenders))))
    report = {"families": families, "seeds": options.seeds, "contenders": list(contenders), "tasks": curves}
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(report))


def task_curves(task: metaopt.Task, contenders: dict[str, metaopt.Recipe], seeds: int) -> dict[str, list[float]]:
    """Test losses by contender after each validation, mean over seeds, as multiples of AdamW's last."""
    losses = {
        name: [statistics.fmean(at) for at in zip(*(train(task, recipe, seed) for seed in range(seeds)), strict=True)]
        for name, recipe in contenders.items()
    }
    unit = losses["AdamW 1e-3"][-1]
    return {
        name: [round(value / unit, 5) if value < WORST * unit else WORST for value in values]
        for name, values in losses.items()
    }


def train(task: metaopt.Task, recipe: metaopt.Recipe, seed: int) -> list[float]:
    """Train in an ordinary loop; the test loss at the best validation so far, from the start and each validation on."""
    model = task.build(seed)
    run = recipe.bind(model, total_steps=task.num_steps, batch_size=task.batch_size)
    batches = training_batches(task, seed)
    best, losses = loss_on(model, task, "validation"), [loss_on(model, task, "test")]
    has_stopped = False
    for step in range(1, task.num_steps + 1):
        if not has_stopped:
            inputs, targets = next(batches)
            run.optimizer.zero_grad()
            loss = task.loss(model(inputs), targets)
            loss.backward()
            run.step(loss)
        if step not in task.validation_steps:
            continue
        if not has_stopped:
            with run.evaluating():
                value, test = loss_on(model, task, "validation"), loss_on(model, task, "test")
            has_stopped = run.observe(value).stop
        losses.append(test if value < best else losses[-1])
        best = min(best, value)
    return losses


def training_batches(task: metaopt.Task, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator, split = torch.Generator().manual_seed(seed), task.splits.train
    while True:
        rows = torch.randint(len(split), (task.batch_size,), generator=generator)
        yield split.inputs[rows], split.targets[rows]


@torch.no_grad()
def loss_on(model: torch.nn.Module, task: metaopt.Task, part: str) -> float:
    split = getattr(task.splits, part)
    loss = task.loss(model(split.inputs), split.targets).item()
    return loss if math.isfinite(loss) else math.inf


def table(curves: dict[str, dict[str, list[float]]], names: list[str]) -> list[str]:
    """Multiples of AdamW's last test loss at parts of the training, and on how many tasks each ends below it."""
    parts = (0.1, 0.25, 0.5, 1.0)
    width = max(map(len, names)) + 2
    lines = [f"{'':{width}}" + "".join(f"{f'at {part:.0%}':>9}" for part in parts) + "   middle half   below AdamW"]
    for name in names:
        rows = [curves_of_task[name] for curves_of_task in curves.values()]
        medians = [statistics.median(row[round(part * (len(row) - 1))] for row in rows) for part in parts]
        low, _, high = statistics.quantiles([row[-1] for row in rows], n=4, method="inclusive")
        below = f"{sum(row[-1] < 1 for row in rows)} of {len(rows)}"
        columns = "".join(f"{median:9.2f}" for median in medians)
        lines.append(f"{name:{width}}{columns}  {low:.2f} to {high:.2f}{below:>14}")
    return lines


if __name__ == "__main__":
    main()
