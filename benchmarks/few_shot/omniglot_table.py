"""Omniglot by comparing: prototypical, matching and relation networks and baselines, beside the papers' numbers.

Four blocks of 64 with max pooling, 28×28, classes divided 1,200 / 423 at random, 100 of the 1,200 to choose the weights
by, rotations as further classes in meta-training. One run of a learner and a number of shots serves 5 and 20 ways:
accuracies are on the same episodes of the 423, with their 95 % intervals over episodes, batch norm by running
statistics, so that queries do not see each other.

It can be run in parts: with `--checkpoints` every run keeps a folder, and the same command goes on where it was killed;
what is finished is read from there. `--table` trains nothing and prints what is there.
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

import metaopt
from benchmarks.few_shot.omniglot import Reporter
from metaopt.meta import few_shot_metrics
from metaopt.plugin import current_registry
from metaopt_corpora.omniglot import omniglot_task

#: Accuracy by learner, ways and shots: Snell et al. 2017, Vinyals et al. 2016, Sung et al. 2018.
PAPER = {
    **{("protonet", 5, 1): 98.8, ("protonet", 5, 5): 99.7, ("protonet", 20, 1): 96.0, ("protonet", 20, 5): 98.9},
    **{("matching_net", 5, 1): 98.1, ("matching_net", 5, 5): 98.9},
    **{("matching_net", 20, 1): 93.8, ("matching_net", 20, 5): 98.5},
    **{("relation_net", 5, 1): 99.6, ("relation_net", 5, 5): 99.8},
    **{("relation_net", 20, 1): 97.6, ("relation_net", 20, 5): 99.1},
}
#: Ways that a run is tested on.
TESTED = (5, 20)
#: Beside defaults: ways of meta-training as in the papers, and what a cosine wants.
HPARAMS: dict[str, dict[str, metaopt.Value]] = {
    "protonet": {"ways": 60},
    "matching_net": {"ways": 20},
    "relation_net": {"ways": 5},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/omniglot")
    parser.add_argument("--learners", nargs="*", default=list(HPARAMS))
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 5])
    parser.add_argument("--ways", type=int, help="of meta-training; the paper's if left out")
    parser.add_argument("--queries", type=int, default=5, help="a class, in meta-training and in tests")
    parser.add_argument("--iterations", type=int, default=6000)
    parser.add_argument("--episodes", type=int, default=1, help="episodes an iteration")
    parser.add_argument("--outer-lr", type=float, default=1e-3, help="of the outer Adam")
    parser.add_argument("--outer-final", type=float, default=0.02, help="share of the outer rate at the end")
    parser.add_argument("--strided", action="store_true", help="halve by strides, which is faster, and not by pooling")
    parser.add_argument("--validations", type=int, default=10)
    parser.add_argument("--validated", type=int, default=200, help="episodes of a validation")
    parser.add_argument("--tested", type=int, default=1000, help="test episodes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoints", type=Path, help="folder; the same one resumes")
    parser.add_argument("--table", action="store_true", help="train nothing; print what is finished")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [
        row
        for name in options.learners
        for shots in options.shots
        if (row := finished(name, shots, options)) is not None
    ]
    print(f"{'learner':14}{'shots':>6}{'ways':>6}{'paper':>8}{'here':>8}{'':>7}{'gap':>7}{'minutes':>9}  shortened")
    for row in rows:
        for ways, (accuracy, half) in zip(TESTED, row["accuracies"], strict=True):
            paper = PAPER.get((row["learner"], ways, row["shots"]))
            known = f"{'–':>8}" if paper is None else f"{paper:>8.1f}"
            gap = f"{'–':>7}" if paper is None else f"{accuracy - paper:>+7.2f}"
            print(
                f"{row['learner']:14}{row['shots']:>6}{ways:>6}{known}{accuracy:>8.2f} ±{half:<5.2f}{gap}"
                f"{row['minutes']:>9.1f}  {row['note']}"
            )


def finished(name: str, shots: int, options: argparse.Namespace) -> dict | None:
    """The row of a run: read where it is finished, else trained; None where nothing shall be trained."""
    folder = None if options.checkpoints is None else options.checkpoints / f"{name}_{shots}_shot"
    result = None if folder is None else folder / "row.json"
    if result is not None and result.exists():
        return dict(json.loads(result.read_text()))
    if options.table:
        return None
    row = trained(name, shots, folder, options)
    if result is not None:
        result.write_text(json.dumps(row))
    return row


def trained(name: str, shots: int, folder: Path | None, options: argparse.Namespace) -> dict:
    """Meta-train one learner on 5-way episodes of so many shots, or wider ones, and test it on both ways."""
    task = replace(
        task_of(5, shots, options),
        num_iterations=options.iterations,
        episodes_per_iteration=options.episodes,
        num_validations=options.validations,
        num_evaluated=options.validated,
    )
    hparams = {"outer_lr": options.outer_lr, "outer_final": options.outer_final, **HPARAMS.get(name, {})}
    if options.ways is not None:
        hparams["ways"] = options.ways
    print(f"{name}, {shots} shots, {options.iterations:,} iterations, {hparams}, seed {options.seed}", flush=True)
    result = metaopt.meta_train(name, task, hparams, seed=options.seed, folder=folder, progress=Reporter())
    if folder is not None:
        result.recipe.save(folder / "recipe")
    accuracies = []
    for ways in TESTED:
        judged = 100 * few_shot_metrics(
            result.recipe, task_of(ways, shots, options), current_registry(), count=options.tested
        )
        accuracies.append((float(judged.mean()), 1.96 * float(judged.std()) / len(judged) ** 0.5))
    steps = "strides" if options.strided else "pooling"
    return {
        "learner": name,
        "shots": shots,
        "accuracies": accuracies,
        "minutes": result.seconds / 60,
        "note": f"{options.iterations:,} iterations, {steps}, {options.threads} threads",
    }


def task_of(ways: int, shots: int, options: argparse.Namespace) -> metaopt.FewShotTask:
    model = partial(metaopt.Conv4, ways, width=64, strided=options.strided)
    return replace(omniglot_task(options.data, ways, shots, options.queries), model=model)


if __name__ == "__main__":
    main()
