"""Meta-trains the weights that a learned rule or wrapper ships with, on whole trainings of small tasks of six families.

    python -m benchmarks.learned.learned_weights mlp_lopt --out out/mlp_lopt --checkpoints out/mlp_lopt_checkpoints
        [--iterations 16000] [--controller cosine] [--seed 0] [--outer-lr 1e-3]
    python -m benchmarks.learned.learned_weights nadamw --wrapper learned_schedule --out out/learned_schedule
        --checkpoints out/learned_schedule_checkpoints --iterations 2800 --outer-lr 3e-3 --deviation 0.05
        --lr 3e-3 --rescaled 10 --validations 7

Tasks are the starter corpus's, with horizons from 50 to 1,000 steps. What is minimised, and what the best weights are
chosen by, is the loss on the examples that are trained on: stopping and weight decay belong to the recipe around the
rule. Kill it at any moment and run the same command again. The recipe holds the weights, the curves and this command.
"""

import argparse
import dataclasses
import time
from functools import partial
from pathlib import Path

import torch

import metaopt
from benchmarks.corpora.synthetic_tasks import synthetic
from metaopt.meta.meta_training import MetaTrainResult
from metaopt.meta.task_episodes import few_shot

#: The tasks to train on; other tasks of their families are left for the judgement.
TRAINED_ON = (
    "digits_mlp",
    "cancer_mlp",
    "diabetes_mlp",
    "friedman_gelu",
    "two_spirals_relu",
    "sinusoid_sum_relu",
    "quadratic_300",
)
LONGEST, PAIRS = 1000, 8
#: Variants of some of these tasks: how many times as wide the model is, and the batch size.
VARIANTS = {"digits_mlp": (4, 16), "two_spirals_relu": (3, 16), "sinusoid_sum_relu": (3, 64), "diabetes_mlp": (4, 64)}


def tasks(iterations: int, validations: int = 10, variants: bool = False, generated: bool = False) -> metaopt.Corpus:
    """Few-shot tasks whose episodes are whole trainings and whose metric is the loss on the training examples."""
    starter = metaopt.load_corpus("starter")
    few_shot_tasks = []
    chosen = [*(starter[name] for name in TRAINED_ON), *(synthetic() if generated else ())]
    for name, (width, batch_size) in VARIANTS.items() if variants else ():
        model = partial(starter[name].widened, width)
        chosen.append(dataclasses.replace(starter[name], name=f"{name}_wide", model=model, batch_size=batch_size))
    for trained_on in chosen:
        task = dataclasses.replace(trained_on, data=partial(on_train, trained_on), num_steps=LONGEST, metric=None)
        kind = few_shot(dataclasses.replace(task, mode="min"), iterations)
        few_shot_tasks.append(
            dataclasses.replace(
                kind, episodes_per_iteration=PAIRS, num_evaluated=2 * PAIRS, num_validations=validations
            )
        )
    return metaopt.Corpus("starter, trained on", tuple(few_shot_tasks))


def on_train(task: metaopt.Task) -> metaopt.Splits:
    """Splits that validate on the first training examples and test on the task's validation examples."""
    train, validation, _ = (getattr(task.splits, part) for part in ("train", "validation", "test"))
    return metaopt.Splits(train, metaopt.Split(train.inputs[:512], train.targets[:512]), validation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rule", help="a learned optimizer, or one that a learned wrapper is put around")
    parser.add_argument("--wrapper", help="the learned wrapper")
    parser.add_argument("--deviation", type=float, help="of the noise on weights, or on what is done")
    parser.add_argument("--rescaled", type=float, help="how far parameters are scaled either way, in effect")
    parser.add_argument("--late", type=float, help="how much more late losses count: a power of what is done")
    parser.add_argument("--lr", type=float, help="of the optimizer that a learned wrapper is put around")
    parser.add_argument("--variants", action="store_true", help="wider models and other batches too")
    parser.add_argument("--synthetic", action="store_true", help="those of `synthetic_tasks` too")
    parser.add_argument("--start", type=Path, help="recipe whose weights to go on from")
    parser.add_argument("--validations", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, help="folder for the recipe")
    parser.add_argument("--checkpoints", type=Path, help="folder; the same one resumes")
    parser.add_argument("--iterations", type=int, default=16_000)
    parser.add_argument("--outer-lr", type=float, default=1e-3)
    parser.add_argument("--controller", default="cosine", help="the schedule that the rule is trained under")
    parser.add_argument("--outer-final", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    corpus, began = (
        tasks(options.iterations, options.validations, options.variants, options.synthetic),
        time.perf_counter(),
    )
    hparams = {"outer_lr": options.outer_lr, "outer_final": options.outer_final}
    hparams.update(
        {name: value for name in ("deviation", "rescaled", "late") if (value := getattr(options, name)) is not None}
    )
    base = {} if options.lr is None else {"lr": options.lr}
    owner = "" if options.wrapper is None else f"{options.wrapper}."
    result = metaopt.meta_train(
        options.rule,
        corpus,
        {**{f"{owner}{name}": value for name, value in hparams.items()}, **base},
        wrappers=() if options.wrapper is None else (options.wrapper,),
        controller=options.controller,
        seed=options.seed,
        start=None if options.start is None else metaopt.load_recipe(options.start),
        folder=options.checkpoints,
        progress=partial(show, began),
    )
    command = {
        "script": "benchmarks/learned/learned_weights.py",
        "rule": options.rule,
        **({} if options.wrapper is None else {"wrapper": options.wrapper}),
        "iterations": options.iterations,
        "seed": options.seed,
        "controller": options.controller,
        **hparams,
        **base,
        **({"variants": VARIANTS} if options.variants else {}),
        **({"synthetic": True} if options.synthetic else {}),
        **(
            {} if options.start is None else {"start": metaopt.load_recipe(options.start).provenance.get("made_by", {})}
        ),
        "longest": LONGEST,
        "pairs": PAIRS,
        "minutes": round(result.seconds / 60, 1),
    }
    made_by = {"made_by": command, "curves": curves(result)}
    dataclasses.replace(result.recipe, provenance={**result.recipe.provenance, **made_by}).save(options.out)
    print(f"{result.seconds / 60:.1f} min, {result.skipped} skipped; written to {options.out}")


def curves(result: MetaTrainResult) -> dict[str, dict[str, list[float]]]:
    """By task: iterations, and the losses on training and on other examples after the longest training."""
    return {
        name: {
            "iterations": [int(number) for number in curve.steps],
            "train": [round(float(number), 5) for number in curve.values],
            "other": [round(float(number), 5) for number in curve.test],
        }
        for name, curve in result.curves.items()
    }


def show(began: float, progress: metaopt.MetaProgress) -> None:
    if progress.iteration % 100 < 12:
        minutes = (time.perf_counter() - began) / 60
        print(
            f"{progress.iteration:,}: mean loss over its first {progress.objective:.3f}, "
            f"validation {progress.validation:.4f}, gradient {progress.gradient_norm:.2f}, "
            f"{progress.rate:.1f} a second, {minutes:.1f} min",
            flush=True,
        )


if __name__ == "__main__":
    main()
