"""The whole shelf in `tune` against a part of it, held out.

    python -m benchmarks.recipes.shelf [--of controllers|optimizers] [--corpus ../shared/data/tabular] [--n-trials 200]
        [--folds 4] [--searches 2] [--storage sqlite:///out/shelf.db] [--steps N] [--tasks N] [--workers 1] [--json]

Both searches judge the same number of candidates with the same stoppers, seeds and race; they differ in what they may
choose from. `controllers`: every installed controller and wrapper, learned ones with the weights that ship, those that
searches do not propose unasked among them, against constant, linear, cosine and wsd alone, around the same optimizers.
`optimizers`: whatever a search proposes unasked, optimizers for the role of matrices among it, against the optimizers
and wrappers that there were before Muon. Whole tasks are held out: each fold has searches of its own on
the other tasks. A held-out task gets one run of each recipe on each of three seeds. Scores are of the test split: 0 is
AdamW at 1e-3, 1 the best of 32 random trials of the task's own. The interval of the difference is a 95 % bootstrap
over tasks, paired.
What has been trained is in the storage's ledger: a call that was ended goes on with the same command.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import metaopt
from metaopt.contracts import Task
from metaopt.plugin.kinds import ControllerSpec, WrapperSpec
from metaopt.plugin.registry import Registry, current_registry
from metaopt.tuning.judging.comparison import Comparison, Contender
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.held_out import Fold, folds
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.judging.statistics import bootstrap
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular"
FEW = {"controllers": ["constant", "linear", "cosine", "wsd"], "wrappers": []}
#: What searches proposed unasked before there was Muon.
BEFORE_MUON = {
    "optimizers": ["adagrad", "adamw", "lion", "nadamw", "prodigy", "rmsprop", "schedulefree_adamw", "sgd"],
    "wrappers": ["averaged"],
}


def whole_shelf(registry: Registry) -> dict[str, list[str]]:
    """Names of all controllers and wrappers; learned ones have the weights that they ship with."""
    return {"controllers": registry.names(ControllerSpec), "wrappers": registry.names(WrapperSpec)}


def choices(options: argparse.Namespace) -> dict[str, dict[str, list[str]]]:
    """What each kind of search may choose from; what is not named is left to `tune`."""
    if options.of == "optimizers":
        return {"shelf": {}, "few": BEFORE_MUON}
    optimizers = {"optimizers": options.optimizers.split(",")}
    return {"shelf": {**optimizers, **whole_shelf(current_registry())}, "few": {**optimizers, **FEW}}


def corpus_of(options: argparse.Namespace) -> metaopt.Corpus:
    """The corpus, or its first tasks, with the budget that the options ask for."""
    corpus = metaopt.load_corpus(options.corpus)
    tasks = corpus.tasks[: options.tasks]
    if options.steps is not None:
        tasks = tuple(dataclasses.replace(task, num_steps=options.steps) for task in tasks if isinstance(task, Task))
    return corpus.subset(tasks, corpus.name)


def searched(
    corpus: metaopt.Corpus, fold: Fold, name: str, seed: int, options: argparse.Namespace
) -> metaopt.TuneResult:
    """One search over a fold's tasks."""
    result = metaopt.tune(
        corpus.subset(fold.tuning, f"{corpus.name}, {fold.name}"),
        n_trials=options.n_trials,
        seed=seed,
        portfolio=1,
        storage=options.storage,
        study_name=f"{name}/{seed}/{fold.name}",
        against=(),
        workers=options.workers,
        announce=lambda line: None,
        **choices(options)[name],
    )
    chosen = result.recipe
    print(f"{fold.name}, seed {seed}, {name}: {chosen.name} {dict(chosen.configuration.hparams)}", flush=True)
    return result


def compared(corpus: metaopt.Corpus, options: argparse.Namespace) -> tuple[Comparison, dict[str, int]]:
    """All recipes on the tasks that they were not tuned on, and trainings by kind of search."""
    spent = {"shelf": 0, "few": 0}
    parts = []
    for fold in folds(corpus, options.folds):
        contenders = []
        for seed in range(options.searches):
            for name in spent:
                result = searched(corpus, fold, name, seed, options)
                spent[name] += result.cost.evaluations
                contenders.append(Contender.of(result.recipe, f"{name} {seed}"))
        evaluator = Evaluator(Ledger(options.storage), current_registry())
        try:
            known = references(evaluator, fold.held_out, DEFAULT_BASELINE)
            parts.append(compare(evaluator, fold.held_out, known, contenders))
        finally:
            evaluator.close()
    return Comparison.merged(parts), spent


def summarised(comparison: Comparison, spent: Mapping[str, int], searches: int) -> dict[str, Any]:
    """Mean scores of both searches, their paired difference, and scores by task."""
    by_task = {
        name: np.mean([comparison.task_scores(f"{name} {seed}").to_numpy() for seed in range(searches)], axis=0)
        for name in spent
    }
    families = comparison.families()

    def interval(values: Any) -> list[float]:
        interval_of_mean = bootstrap(values, families, lambda drawn: float(np.mean(drawn)))
        return [interval_of_mean.value, interval_of_mean.low, interval_of_mean.high]

    return {
        "score": {name: interval(values) for name, values in by_task.items()},
        "shelf_minus_few": interval(by_task["shelf"] - by_task["few"]),
        "trainings": dict(spent),
        "by_task": {
            name: dict(zip(comparison.tasks, values.tolist(), strict=True)) for name, values in by_task.items()
        },
    }


def show(report: Mapping[str, Any], tasks: Sequence[str]) -> None:
    for name, (value, low, high) in report["score"].items():
        trained = report["trainings"][name]
        print(f"{name:8} {value:.3f} [{low:.3f}, {high:.3f}] on {len(tasks)} held-out tasks; {trained:,} trainings")
    value, low, high = report["shelf_minus_few"]
    verdict = "the shelf is ahead" if low > 0 else "the few are ahead" if high < 0 else "nothing is claimed"
    print(f"shelf - few {value:+.3f} [{low:+.3f}, {high:+.3f}]: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=("controllers", "optimizers"), default="controllers")
    parser.add_argument("--corpus", default=str(DATA), help="whatever load_corpus takes")
    parser.add_argument("--n-trials", type=int, default=200, help="candidates of each search")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--searches", type=int, default=2, help="seeds of the searches, in each fold")
    parser.add_argument("--optimizers", default="sgd,adamw,nadamw", help="of both, with --of controllers")
    parser.add_argument("--steps", type=int, help="of each training; the corpus's own if left out")
    parser.add_argument("--tasks", type=int, help="use the first so many tasks alone")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--storage", default="sqlite:///out/shelf.db", help="database URL; the same one resumes")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    began = time.perf_counter()
    if options.storage.startswith("sqlite:///"):
        Path(options.storage.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        comparison, spent = compared(corpus_of(options), options)
    except metaopt.MetaOptError as error:
        sys.exit(str(error))
    report = summarised(comparison, spent, options.searches)
    print(f"\n{options.n_trials} candidates a search, {options.folds} folds, {options.searches} searches each")
    show(report, comparison.tasks)
    print(f"this call {(time.perf_counter() - began) / 60:.1f} min")
    if options.json:
        settings = {
            key: getattr(options, key) for key in ("of", "n_trials", "folds", "searches", "steps", "optimizers")
        }
        print(json.dumps({**settings, **report}))


if __name__ == "__main__":
    main()
