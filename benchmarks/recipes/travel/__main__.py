"""Recipes on models a hundred times larger than what they were tuned on, beside peers and a grid of rates.

    python -m benchmarks.recipes.travel [--recipe default out/mine/recipe …] [--unscaled] [--seeds 3]
        [--left-out DIR …] [--tasks gru,vae] [--kinds mlp,lora] [--large] [--store FILE] [--reuse FILE …] [--json FILE]
    python -m benchmarks.recipes.travel --list
    python -m benchmarks.recipes.travel --recipe               # peers alone, to be stored
    python -m benchmarks.recipes.travel --recipe --stored      # what is in the store already

Nineteen tasks of twelve kinds. Per task and seed all contenders have the same weights, batches, budget and validations,
and take turns; a checkpoint is chosen on validation data and judged on test data. A training that never gets better
than its start counts as the start. Peers: AdamW at a constant 1e-3, Schedule-Free AdamW with a warm-up, Prodigy, and
AdamW with warm-up and cosine at six rates, whose best by validation is a peer by itself. A training that was done
before with the same task, seed and contender is read from the store, and so a command that was killed goes on.
`--left-out DIR`: in place of one recipe `DIR/KIND` for each kind of task, made with nothing of that kind. `--large`:
two models of more than ten million numbers instead, beside AdamW at 1e-3 and 3e-4.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

import metaopt
from benchmarks.recipes.drop_in import ROOT, SHARED
from benchmarks.recipes.travel.contenders import BEST, large_peers, left_out, peers, recipes
from benchmarks.recipes.travel.store import Store, key_of
from benchmarks.recipes.travel.summary import Results, best_of_grid, summary
from benchmarks.recipes.travel.tables import large_table, summary_table, task_table
from benchmarks.recipes.travel.task import TravelTask
from benchmarks.recipes.travel.tasks import all_tasks, large_tasks
from benchmarks.recipes.travel.training import Contender, train

OUT = ROOT / "out" / "travel"
Show = Callable[[str], None]


def main(arguments: Sequence[str] | None = None, show: Show = print) -> None:
    options = parsed(arguments)
    torch.set_num_threads(options.threads)
    tasks = chosen_tasks(options)
    if options.list:
        for task in tasks:
            show(f"{task.name:24}{task.kind:14}{task.parameters:>12,} parameters  {task.fingerprint}")
        return
    try:
        report_on(tasks, options, show)
    except metaopt.MetaOptError as error:
        sys.exit(str(error))


def report_on(tasks: list[TravelTask], options: argparse.Namespace, show: Show) -> None:
    """Train what is not stored, then show and write the figures.

    Raises:
        MetaOptError: a recipe cannot be loaded or bound.
    """
    judges = large_peers() if options.large else peers()
    common = [*recipes(options.recipe, also_unscaled=options.unscaled), *judges]
    kinds = {task.kind for task in tasks}
    by_kind = [left_out(folder, sorted(kinds)) for folder in options.left_out]
    contenders = {kind: [*(one[kind] for one in by_kind), *common] for kind in kinds}
    names = [contender.name for contender in contenders[tasks[0].kind]]
    store = Store.read(options.store, options.reuse)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("once", UserWarning)
        results = trained(tasks, contenders, options.seeds, store, show, is_stored=options.stored)
    for message in dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning):
        show(f"warning: {message}")
    tasks = [task for task in tasks if any(name == task.name for name, _ in results)]
    if not tasks:
        sys.exit(f"{options.store} holds no task with all of {', '.join(names)}; leave out --stored to train them.")
    for task in tasks:
        show("\n".join(("", *task_table(task, results, names))))
    summaries = [] if options.large else [*names, BEST]
    judged = large_table(results, names, [one.name for one in judges])
    show("\n" + "\n".join(summary_table(results, summaries) if summaries else judged))
    if options.json:
        document = report(tasks, contenders, results, summaries)
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", nargs="*", default=["default"], help="names or folders; none trains peers alone")
    parser.add_argument("--unscaled", action="store_true", help="also each recipe with scale_rate=False")
    parser.add_argument(
        "--left-out", nargs="+", default=[], help="folders with a recipe a kind, made without that kind"
    )
    parser.add_argument("--tasks", help="names, with commas between")
    parser.add_argument("--kinds", help="kinds, with commas between")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="training steps, in place of each task's own")
    parser.add_argument("--large", action="store_true", help="two models of more than 10 million numbers")
    parser.add_argument("--list", action="store_true", help="show the tasks and train nothing")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the data")
    parser.add_argument("--pretrained", type=Path, default=OUT / "pretrained", help="folder of weights trained before")
    parser.add_argument("--store", type=Path, default=OUT / "outcomes.jsonl", help="read, and added to")
    parser.add_argument("--stored", action="store_true", help="train nothing: leave out what is not in the stores")
    parser.add_argument("--reuse", type=Path, nargs="+", default=[], help="further stores, which are only read")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write figures and outcomes to this file")
    return parser.parse_args(arguments)


def chosen_tasks(options: argparse.Namespace) -> list[TravelTask]:
    tasks = large_tasks(options.data) if options.large else all_tasks(options.data, options.pretrained)
    for field, chosen in (("name", options.tasks), ("kind", options.kinds)):
        known = dict.fromkeys(getattr(task, field) for task in tasks)
        asked = known if chosen is None else chosen.split(",")
        unknown = [entry for entry in asked if entry not in known]
        if unknown:
            sys.exit(f"There is no {field} {', '.join(unknown)} among the tasks; there are {', '.join(known)}.")
        tasks = [task for task in tasks if getattr(task, field) in asked]
    missing = sorted({name for task in tasks for name in task.needs if not (options.data / name).exists()})
    if missing:
        sys.exit(f"{options.data} lacks {', '.join(missing)}; name the folder that holds them with --data.")
    return tasks if options.steps is None else [replace(task, num_steps=options.steps) for task in tasks]


def trained(
    tasks: Sequence[TravelTask],
    contenders: Mapping[str, Sequence[Contender]],
    seeds: int,
    store: Store,
    show: Show,
    *,
    is_stored: bool = False,
) -> Results:
    """All trainings, seed by seed and task by task, contenders in turn; those in the store are taken from it.

    Args:
        tasks: what is trained.
        contenders: who trains, by kind of task.
        seeds: number of seeds.
        store: what was trained before, and where new outcomes go.
        show: takes a line for each training.
        is_stored: train nothing, and leave out a task and seed of which anything lacks.
    """
    begun, results = time.perf_counter(), Results()
    for seed in range(seeds):
        for task in tasks:
            keys = {contender: key_of(task, contender, seed) for contender in contenders[task.kind]}
            if is_stored and not all(key in store.outcomes for key in keys.values()):
                continue
            for contender, key in keys.items():
                if key not in store.outcomes:
                    store.add(key, train(task, contender, seed))
                    outcome = store.outcomes[key]
                    show(
                        f"{time.perf_counter() - begun:7.0f} s  {task.name}, seed {seed}, {contender.name}: "
                        f"{outcome.loss:.4f} in {outcome.seconds:.0f} s"
                    )
                results.setdefault((task.name, seed), {})[contender.name] = store.outcomes[key]
    return results


def report(
    tasks: Sequence[TravelTask],
    contenders: Mapping[str, Sequence[Contender]],
    results: Results,
    summaries: Sequence[str],
) -> dict[str, object]:
    """All figures as plain JSON."""
    rows = [
        {"task": task, "seed": seed, "contender": name, "loss": outcome.loss, **asdict(outcome)}
        for (task, seed), trainings in results.items()
        for name, outcome in trainings.items()
    ]
    best = (
        {f"{task}, seed {seed}": best_of_grid(one).loss for (task, seed), one in results.items()} if summaries else {}
    )
    return {
        "tasks": [
            {"name": task.name, "kind": task.kind, "parameters": task.parameters, "trained": task.trainable}
            | {"steps": task.num_steps, "batch_size": task.batch_size, "fingerprint": task.fingerprint}
            for task in tasks
        ],
        "configurations": {
            kind: {one.name: one.recipe.to_json()["configuration"] for one in contenders[kind]}
            for kind in sorted({task.kind for task in tasks})
        },
        "summary": [asdict(summary(name, results)) for name in summaries],
        "best_of_grid": best,
        "outcomes": rows,
    }


if __name__ == "__main__":
    main()
