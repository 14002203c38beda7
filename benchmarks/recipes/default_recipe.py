"""Makes the recipe that ships as `default`: tuned on the starter corpus with its ladder, and the development corpus.

    python -m benchmarks.recipes.default_recipe --storage sqlite:///out/default.db --out out/default
        [--n-trials 400] [--folds 4] [--workers 2] [--data ../shared/data] [--timeout SECONDS] [--quick] [--json]
        [--study-name default] [--start-from SETTINGS.json] [--finetune]

Kill it at any moment and run the same command again: nothing that finished is done twice. The recipe is that of all
tasks; what is said of it is measured on tasks that its search did not see: each task is held out once, in a fold with a
search of its own. With `--folds 0` the generated tasks of `held_out_curves`, whose families no tuning sees, judge, and
the folds may follow in a later call. These numbers, the range of models and budgets, seeds, versions and cost go into
`recipe.json`. The table, the worst tasks and the cost are printed.

With `--finetune` it makes the recipe that ships as `finetune`: tuned on the fine-tunings of `benchmarks.corpora
.finetuning`, and judged, without folds, by those that are held out there. Their weights have to be made before.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import metaopt
from benchmarks.corpora.development_corpus import DATA, development_corpus
from benchmarks.corpora.finetuning import HELD_OUT, TARGETS, finetunings
from benchmarks.corpora.synthetic_tasks import plateaus, synthetic
from benchmarks.tuning.memory import PeakMemory
from metaopt.tuning.result import TuneResult, with_scores

PEERS = ("adamw", "adamw+cosine", "nadamw+cosine", "schedulefree_adamw", "prodigy")
QUICK_TASKS = ("iris_mlp", "wine_tanh", "diabetes_mlp", "autompg", "concrete", "yeast", "co2_mlp", "employment_mlp")


def starter_and_development(data: Path) -> metaopt.Corpus:
    """Tasks of the starter corpus and of the development corpus."""
    return metaopt.Corpus("starter and development", (*metaopt.load_corpus("starter"), *development_corpus(data)))


def finetune_tasks(data: Path) -> metaopt.Corpus:
    """Fine-tunings of models that were trained on other data."""
    return finetunings(TARGETS, "finetuning", data)


def unseen_tasks() -> metaopt.Corpus:
    """Generated tasks of four families that no tuning sees."""
    return metaopt.Corpus("unseen", (*synthetic(), *plateaus()))


def with_record(result: TuneResult, command: dict[str, Any]) -> metaopt.Recipe:
    """The recipe with the command that made it and its cost in its provenance."""
    known = {
        "made_by": {"script": "benchmarks/recipes/default_recipe.py", **command},
        "cost": dataclasses.asdict(result.cost),
    }
    return dataclasses.replace(result.recipe, provenance={**result.recipe.provenance, **known})


def show(result: TuneResult) -> None:
    for title, comparison in (("held-out tasks", result.comparison), ("tuning tasks", result.tuning_comparison)):
        if comparison is not None:
            print(f"\n{title}\n{comparison.table().to_string(index=False, float_format=lambda value: f'{value:.3f}')}")
            print(f"\n{comparison.summary()}\n\nWhere it falls furthest behind:")
            print(comparison.worst_tasks(8).to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"\nrecipe: {result.recipe.name}\nhyperparameters: {dict(result.recipe.configuration.hparams)}")
    print(f"portfolio: {', '.join(member.name for member in result.portfolio)}\ncost: {result.cost}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for recipe.json")
    parser.add_argument("--storage", required=True, help="database URL of the ledger; the same one resumes")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the development data")
    parser.add_argument("--n-trials", type=int, default=400)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--study-name", default="default", help="another one searches anew beside it in the ledger")
    parser.add_argument("--start-from", type=Path, help="JSON file of settings that are judged first")
    parser.add_argument("--timeout", type=float, help="seconds; the best recipe so far is written then")
    parser.add_argument("--finetune", action="store_true", help="the recipe `finetune`, on fine-tunings")
    parser.add_argument("--quick", action="store_true", help="eight small tasks, to see that it works")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        corpus = (finetune_tasks if options.finetune else starter_and_development)(options.data)
        if options.quick:
            corpus = corpus.subset([task for task in corpus if task.name in QUICK_TASKS])
        print(f"{len(corpus)} tasks of {len(corpus.families)} families, fingerprint {corpus.fingerprint}", flush=True)
        with PeakMemory() as memory:
            result = metaopt.tune(
                corpus,
                n_trials=options.n_trials,
                folds=options.folds or None,
                seed=options.seed,
                storage=options.storage,
                study_name=options.study_name,
                start_from=options.start_from,
                against=PEERS,
                workers=options.workers,
                timeout=options.timeout,
                announce=lambda line: print(line, flush=True),
            )
        if result.comparison is None:
            judging = finetunings(HELD_OUT, "held_out", options.data) if options.finetune else unseen_tasks()
            unseen = metaopt.evaluate(result.recipe, judging, against=PEERS, storage=options.storage)
            recipe = with_scores(result.recipe, unseen, "families", result.tuning_comparison)
            result = dataclasses.replace(result, recipe=recipe, comparison=unseen, held_out_by="families")
        command: dict[str, Any] = {"n_trials": options.n_trials, "folds": options.folds, "seed": options.seed}
        if options.finetune:
            command["finetune"] = True
        if options.start_from:
            command["start_from"] = options.start_from.name
        recipe = with_record(result, command)
        recipe.save(options.out)
    except metaopt.MetaOptError as error:
        sys.exit(str(error))
    show(result)
    minutes = (time.perf_counter() - started) / 60
    print(f"this call {minutes:.1f} min, peak memory {memory.gib:.2f} GiB; written to {options.out}")
    if result.interrupted:
        print("The time was up: run the same command again to go on.")
    if options.json:
        print(json.dumps({**recipe.to_json(), "minutes": minutes, "gib": memory.gib}))


if __name__ == "__main__":
    main()
