"""Makes the reference runs that ship with a corpus: the baseline and the pool of random trials on each of its tasks.

    python -m benchmarks.recipes.starter_references [--corpus starter] [--storage URL] [--out FILE] [--json]

Runs are taken from the ledger in `--storage`, for example `sqlite:///out/starter/study.db`, or from the file that is
there, where they have them, else trained. They are found again by the tasks' fingerprints: after a change of a task or
of a plugin that references use, run it again. It writes `plugins/metaopt_corpora/starter_references.npz`, which
`CorpusSpec(reference_runs=…)` names, and beside it, for the tests, the fingerprints that every Python and torch must
find.
"""

import argparse
import json
import time
from pathlib import Path

import metaopt
from benchmarks.tuning.unshipped import registry_without_shipped_runs
from metaopt.tuning.judging.references import DEFAULT_BASELINE, pool_configurations, references
from metaopt.tuning.judging.shipped_references import read, write
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.seeds import RACE_SEED, REFERENCE_SEEDS

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "plugins" / "metaopt_corpora" / "starter_references.npz"
FINGERPRINTS = ROOT / "tests" / "plugins" / "metaopt_corpora" / "fingerprints.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="starter")
    parser.add_argument("--storage", default="sqlite://", help="a ledger to take runs from; in memory by default")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    corpus = metaopt.load_corpus(options.corpus)
    ledger = Ledger(options.storage)
    evaluator = Evaluator(ledger, registry_without_shipped_runs(), announce=print)
    started = time.perf_counter()
    if options.out.exists():  # tasks that did not change keep theirs
        ledger.add([run for run in read(options.out) if run.key.seed == RACE_SEED or run.curve.resampled])
    references(evaluator, corpus.tasks, DEFAULT_BASELINE)
    keys = {DEFAULT_BASELINE.key} | {configuration.key for configuration in pool_configurations(evaluator.registry)}
    shipped = ledger.shipped(task.fingerprint for task in corpus)
    runs = [
        evaluation
        for evaluation in evaluator.evaluations(corpus.tasks)
        if evaluation.key.configuration_key in keys
        and evaluation.key.seed in REFERENCE_SEEDS
        and evaluation.key not in shipped
    ]
    write(options.out, runs)
    if options.out == FILE:
        write_fingerprints()
    report = {
        "tasks": len(corpus),
        "runs": len(runs),
        "trained": evaluator.spent.evaluations,
        "seconds_when_made": sum(evaluation.seconds for evaluation in runs),
        "seconds": time.perf_counter() - started,
        "bytes": options.out.stat().st_size,
    }
    for name, value in report.items():
        print(f"{name:18}{value:12,.1f}" if isinstance(value, float) else f"{name:18}{value:10,}")
    if options.json:
        print(json.dumps(report))


def write_fingerprints() -> None:
    """Write the fingerprint of every task that comes with metaopt and needs no download."""
    tasks = [task for name in ("starter", "sinusoids") for task in metaopt.load_corpus(name)]
    FINGERPRINTS.write_text(
        json.dumps({task.name: task.fingerprint for task in tasks}, indent=2, sort_keys=True) + "\n"
    )


if __name__ == "__main__":
    main()
