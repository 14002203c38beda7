"""Which controllers and wrappers forgive a base rate that is ten times too low or too high, on held-out tasks.

    python -m benchmarks.recipes.base_rate [--data ../shared/data/tabular] [--steps 200] [--seeds 2] [--storage URL]
        [--json]

Each controller and each wrapper acts on AdamW at its own defaults, learned wrappers under cosine, and what was derived
for SGD on that too. On every other table its base rate is tuned: the one of nine, half a decade apart, with the best
mean score. On the remaining tables it then runs at a tenth of that rate, at the rate, and at ten times it. Scores are
of the test split at the best validation: 0 is AdamW at 1e-3, constant, 1 the best of 32 random trials of the task's
own, each with three seeds. `keeps` says whether the mean stays within .05 of the tuned one's on both sides, that one
being better than AdamW untuned; intervals of what is lost are 95 % bootstraps over tasks, paired. With `--storage` what
has been trained is not trained again.
"""

import argparse
import dataclasses
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import metaopt
from metaopt.configuration import Configuration
from metaopt.contracts import Task
from metaopt.plugin.kinds import ControllerSpec, WrapperSpec
from metaopt.plugin.registry import Registry, current_registry
from metaopt.tuning.judging.references import DEFAULT_BASELINE, Reference, references
from metaopt.tuning.judging.statistics import bootstrap
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.seeds import REFERENCE_SEEDS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular"
RATES = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 1))
FACTORS = (0.1, 1.0, 10.0)
WITHIN = 0.05
#: What was derived for plain gradient descent runs on that too, with a constant rate beside it.
FOR_SGD = ("constant", "adagrad_norm", "polyak", "dog", "ldog", "dowg")
#: The first seed of the held-out runs; lower ones belong to the search and the references.
FIRST_SEED = REFERENCE_SEEDS[-1] + 1


def contenders(registry: Registry) -> dict[str, Configuration]:
    """Every controller, and every wrapper, by a name: learned ones under cosine, as they were meta-trained."""
    controllers = registry.names(ControllerSpec)
    configurations = {f"{name} on adamw": Configuration("adamw", name) for name in controllers}
    for name in registry.names(WrapperSpec):
        learned = registry.get(WrapperSpec, name).meta is not None
        controller = "cosine" if learned else "constant"
        configurations[f"{name}(adamw)"] = Configuration("adamw", controller, wrappers=(name,))
    for name in FOR_SGD:
        if name in controllers:
            configurations[f"{name} on sgd"] = Configuration("sgd", name)
        else:
            configurations[f"{name}(sgd)"] = Configuration("sgd", wrappers=(name,))
    return configurations


def at(configuration: Configuration, rate: float) -> Configuration:
    """The configuration with another base rate."""
    name = f"{configuration.optimizer}.lr"
    return dataclasses.replace(configuration, hparams={**configuration.hparams, name: float(f"{rate:.3g}")})


def tasks_of(folder: Path, num_steps: int) -> list[Task]:
    """The folder's tables, each with a smaller budget."""
    shortened = []
    for task in metaopt.load_corpus(str(folder)):
        assert isinstance(task, Task)
        shortened.append(dataclasses.replace(task, data=task.splits, num_steps=num_steps, num_validations=10))
    return shortened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--steps", type=int, default=200, help="of each training")
    parser.add_argument("--seeds", type=int, default=2, help="of each held-out run")
    parser.add_argument("--tasks", type=int, help="use the first so many tables alone")
    parser.add_argument("--storage", default="sqlite://", help="URL of the ledger")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    began = time.perf_counter()
    tasks = tasks_of(options.data, options.steps)[: options.tasks]
    evaluator = Evaluator(Ledger(options.storage), current_registry(), compile="off")
    report = measure(evaluator, tasks[::2], tasks[1::2], range(FIRST_SEED, FIRST_SEED + options.seeds))
    report |= {"steps": options.steps, "seeds": options.seeds, "seconds": time.perf_counter() - began}
    report["trainings"] = evaluator.spent.evaluations
    evaluator.close()
    show(report)
    if options.json:
        print(json.dumps(report))


def measure(
    evaluator: Evaluator, tuning: Sequence[Task], held_out: Sequence[Task], seeds: Sequence[int]
) -> dict[str, Any]:
    """Everything that is printed, as plain JSON."""
    known = references(evaluator, [*tuning, *held_out], DEFAULT_BASELINE)
    configurations = contenders(evaluator.registry)
    rates = tuned_rates(evaluator, configurations, tuning, known)
    off = {
        name: [at(configuration, factor * rates[name]) for factor in FACTORS]
        for name, configuration in configurations.items()
    }
    curves = evaluator.curves([configuration for row in off.values() for configuration in row], held_out, tuple(seeds))

    def score(configuration: Configuration, task: Task) -> float:
        scale = known[task.name].scale
        return float(np.mean([scale.test_score(curves[configuration.key, task.name, seed]) for seed in seeds]))

    rows = []
    for name, row in off.items():
        low, tuned, high = (np.asarray([score(configuration, task) for task in held_out]) for configuration in row)
        lost = [bootstrap(tuned - changed, [task.family for task in held_out], np.mean) for changed in (low, high)]
        rows.append(
            {
                "name": name,
                "rate": rates[name],
                "scores": [float(interval.mean()) for interval in (low, tuned, high)],
                "lost": [[interval.value, interval.low, interval.high] for interval in lost],
                "keeps": bool(max(interval.value for interval in lost) <= WITHIN) and float(tuned.mean()) > 0,
            }
        )
    return {"tuning": [task.name for task in tuning], "held_out": [task.name for task in held_out], "rows": rows}


def tuned_rates(
    evaluator: Evaluator,
    configurations: Mapping[str, Configuration],
    tuning: Sequence[Task],
    known: Mapping[str, Reference],
) -> dict[str, float]:
    """The rate with the best mean score on the tables to tune on, by contender."""
    grid = {name: [at(configuration, rate) for rate in RATES] for name, configuration in configurations.items()}
    curves = evaluator.curves(
        [configuration for row in grid.values() for configuration in row], tuning, REFERENCE_SEEDS[:1]
    )

    def mean(configuration: Configuration) -> float:
        runs = [(known[task.name].scale, curves[configuration.key, task.name, REFERENCE_SEEDS[0]]) for task in tuning]
        return float(np.mean([scale.score(curve) for scale, curve in runs]))

    return {name: RATES[int(np.argmax([mean(configuration) for configuration in row]))] for name, row in grid.items()}


def show(report: dict[str, Any]) -> None:
    print(
        f"{len(report['tuning'])} tables to tune the base rate on, {len(report['held_out'])} held out; "
        f"{report['steps']} steps, {report['seeds']} seeds; {report['trainings']:,} trainings, "
        f"{report['seconds'] / 60:.1f} min"
    )
    print(f"{'':26}{'rate':>9}{'× .1':>8}{'× 1':>8}{'× 10':>8}{'lost at × .1':>24}{'lost at × 10':>24}  keeps")
    for row in sorted(report["rows"], key=lambda entry: -min(entry["scores"])):
        low, tuned, high = row["scores"]
        lost = [f"{value:.3f} [{a:.3f}, {b:.3f}]" for value, a, b in row["lost"]]
        print(
            f"{row['name']:26}{row['rate']:>9.2g}{low:>8.3f}{tuned:>8.3f}{high:>8.3f}{lost[0]:>24}{lost[1]:>24}  "
            f"{'yes' if row['keeps'] else 'no'}"
        )


if __name__ == "__main__":
    main()
