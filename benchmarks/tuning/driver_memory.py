"""Memory of a driver over 2,000 candidates: flat after the first hundred.

    python -m benchmarks.tuning.driver_memory [--candidates 2000] [--tasks 4] [--json]

It is `metaopt.tune` as users call it, with a new SQLite file; only training is replaced, by curves made from a formula,
so that all memory is the driver's. Its resident memory is looked at after each heat, when the last of its candidates is
told; what the result takes in addition, once the search is over, stands below.
"""

import argparse
import json
import tempfile
from pathlib import Path
from unittest import mock

import torch

import metaopt
from benchmarks.tuning.ledger_scale import instead_of_training, tasks
from benchmarks.tuning.memory import resident_mib
from metaopt.tuning.running import evaluator as evaluators

REACH = 0.05
#: Candidates after which it is to be flat.
FIRST = 100
#: Lines of the table.
SHOWN = 10


def measure(candidates: int, num_tasks: int) -> tuple[list[tuple[int, float]], float]:
    """Candidates judged and MiB after each heat, and MiB at the end."""
    corpus = metaopt.Corpus("scale", tuple(tasks()[:num_tasks]))
    by_number: dict[int, float] = {}

    def watch(event: metaopt.Event) -> None:
        if event.kind == "candidate":
            by_number[int(event.step or 0) + 1] = resident_mib()

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(evaluators, "run_task", instead_of_training):
        url = f"sqlite:///{Path(folder) / 'study.db'}"
        metaopt.tune(corpus, n_trials=candidates, storage=url, watch=watch, announce=lambda line: None)
        return sorted(by_number.items()), resident_mib()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=2_000)
    parser.add_argument("--tasks", type=int, default=4, help="of the corpus, at most 20")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    judged, at_end = measure(options.candidates, options.tasks)
    later = [(count, held) for count, held in judged if count >= FIRST]
    print(f"{'candidates':>10}{'MiB':>8}")
    shown = later[:: max(len(later) // SHOWN, 1)]
    for count, held in shown if shown[-1] == later[-1] else [*shown, later[-1]]:
        print(f"{count:10,}{held:8.1f}")
    print(f"    result{at_end:8.1f}")
    growth = max(held for _, held in later) / later[0][1] - 1
    print(f"the most after {later[0][0]} candidates is {growth:+.1%} of what it was then (reach {REACH:.0%})")
    if options.json:
        print(json.dumps({"judged": judged, "at_end": at_end, "growth": growth, "reach": REACH}))


if __name__ == "__main__":
    main()
