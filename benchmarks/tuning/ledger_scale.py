"""What everything but training costs an evaluation: with 100 candidates in the ledger, and with 10,000.

    python -m benchmarks.tuning.ledger_scale [--sizes 100 10000] [--batches 3] [--profile] [--json]

The ledger is a new SQLite file, filled through its own functions with candidates that raced over 20 tasks as a study
would have raced them. Then a real study goes on from there: it asks, looks evaluations up, scores, stores, concludes
and publishes to Optuna's tables; only training is replaced, by curves made from a formula. A batch is 40 candidates,
about 300 evaluations. `resume` is what a new process pays before its first batch. The ratio is that of processor time,
which what else the machine does changes least; wall-clock time, with the waits for the disk, stands beside it.
"""

import argparse
import cProfile
import json
import pstats
import statistics
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.plugin.registry import Registry, current_registry
from metaopt.tuning.judging.references import DEFAULT_BASELINE, Reference, References
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.ledger.evaluations import Evaluation, Proposal, RaceOutcome, evaluation_key
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running import evaluator as evaluators
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.racing import Standing, ends_heat, race, race_order
from metaopt.tuning.search.study import BATCH, Study
from metaopt.tuning.search.trial_stand_ins import RandomChooser
from metaopt.tuning.seeds import RACE_SEED

REACH = 1.2
NUM_TASKS, NUM_FAMILIES = 20, 4
NUM_VALIDATIONS = 15
STUDY = "scale"
#: Functions that --profile shows.
SHOWN = 25


@dataclass
class Measured:
    """A ledger of one size.

    Attributes:
        size: candidates in it before the measurement.
        evaluations: evaluations in it before the measurement.
        resume_seconds: opening it and reading the study, wall-clock.
        processor_ms: an evaluation, for each further batch.
        wall_ms: the same by the wall clock.
    """

    size: int
    evaluations: int
    resume_seconds: float
    processor_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)

    @property
    def processor(self) -> float:
        return statistics.median(self.processor_ms)

    @property
    def wall(self) -> float:
        return statistics.median(self.wall_ms)


class ParamRecorder(RandomChooser):
    """Random choices, remembered as a sampler's own parameters."""

    def __init__(self, generator: np.random.Generator) -> None:
        super().__init__(generator)
        self.params: dict[str, object] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.params[name] = value = super().suggest_float(name, low, high, log=log)
        return value

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        self.params[name] = value = int(self._generator.integers(low, high + 1))
        return value

    def suggest_categorical(self, name: str, choices: Sequence[object]) -> object:
        self.params[name] = value = super().suggest_categorical(name, choices)
        return value


def tasks() -> list[metaopt.Task]:
    """Tiny tasks: nobody trains them."""

    def splits(seed: int) -> metaopt.Splits:
        rows = torch.randn(12, 2, generator=torch.Generator().manual_seed(seed))
        parts = (metaopt.Split(rows[part::3], rows[part::3, :1]) for part in range(3))
        return metaopt.Splits(*parts)

    return [
        metaopt.Task(
            name=f"task{index}",
            family=f"family{index % NUM_FAMILIES}",
            model=partial(nn.Linear, 2, 1),
            data=partial(splits, index),
            loss=F.mse_loss,
            num_validations=NUM_VALIDATIONS,
        )
        for index in range(NUM_TASKS)
    ]


def curve(task: metaopt.Task, configuration: Configuration, seed: int = RACE_SEED) -> metaopt.Curve:
    """A curve that falls to a level given by the configuration's, the task's and the seed's names."""
    steps = np.asarray(task.validation_steps, dtype=np.float64)
    level, noise = (
        zlib.crc32(text.encode()) / 2**32 for text in (configuration.key, f"{configuration.key}{task.name}{seed}")
    )
    values = 0.3 * level + 0.1 * noise + np.exp(-5 * steps / task.num_steps)
    return metaopt.Curve(steps, values, task.num_steps, values + 0.01, {"train_loss": values})


def instead_of_training(
    task: metaopt.Task, runs: Sequence[tuple[Assembly, int]], *how: object
) -> list[tuple[metaopt.Curve, float]]:
    return [(curve(task, assembly.configuration, seed), 1.0) for assembly, seed in runs]


def references(corpus: Sequence[metaopt.Task], evaluator: Evaluator) -> References:
    base = [curve(task, Configuration("adamw"), seed) for task in corpus[:1] for seed in range(3)]
    best = [
        metaopt.Curve(curve_of_seed.steps, curve_of_seed.values - 0.3, curve_of_seed.horizon, curve_of_seed.test)
        for curve_of_seed in base
    ]
    by_task = {task.name: Reference(Scale.of(base, best), ()) for task in corpus}
    return References(by_task, evaluator, DEFAULT_BASELINE)


def fill(study: Study, size: int, registry: Registry) -> int:
    """Propose, evaluate and conclude so many candidates as a study does; the number of evaluations."""
    generator = np.random.default_rng(size)
    ledger, order = study.evaluator.ledger, race_order(study.tasks)
    evaluations: list[Evaluation] = []
    proposals: list[Proposal] = []
    standings: list[Standing] = []
    heat: list[Standing] = []

    def judge(running: Sequence[Standing], tasks: Sequence[metaopt.Task]) -> None:
        for standing in running:
            configuration = proposals[standing.number].configuration
            assembly = assemble(configuration, registry)
            for task in tasks:
                recorded = curve(task, configuration)
                key = evaluation_key(assembly, task, RACE_SEED)
                evaluations.append(Evaluation(key, task.name, task.family, configuration, recorded, 1.0))
                standing.scores[task.name] = study.references[task.name].scale.score(recorded)
            standing.rungs[len(standing.scores)] = study.objective(standing.scores)

    stored = 0
    for batch, begin in enumerate(range(0, size, BATCH)):
        for number in range(begin, min(begin + BATCH, size)):
            recorder = ParamRecorder(generator)
            proposals.append(Proposal(number, batch, study.space.suggest(recorder), recorder.params))
            heat.append(Standing(number))
        ledger.propose(STUDY, proposals[begin:])
        if ends_heat(batch) or len(proposals) == size:
            race(heat, standings, order, judge)
            ledger.add(evaluations)
            ledger.conclude(
                STUDY,
                [RaceOutcome(standing.number, standing.rungs, standing.complete, standing.scores) for standing in heat],
            )
            stored += len(evaluations)
            evaluations.clear()
            standings += heat
            heat = []
    return stored


def study_at(url: str, corpus: Sequence[metaopt.Task], registry: Registry) -> Study:
    evaluator = Evaluator(Ledger(url), registry)
    return Study(STUDY, joint_space(registry), corpus, references(corpus, evaluator), evaluator, seed=0)


def measure(size: int, batches: int, profile: cProfile.Profile | None = None) -> Measured:
    """Fill a ledger, then run further batches of a study on it."""
    registry, corpus = current_registry(), tasks()
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(evaluators, "run_task", instead_of_training):
        url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        study = study_at(url, corpus, registry)
        evaluations = fill(study, size, registry)
        study.run(size)  # publishes what was filled in
        study.evaluator.close()

        started = time.perf_counter()
        study = study_at(url, corpus, registry)
        study.run(size)
        measured = Measured(size, evaluations, time.perf_counter() - started)
        moments: list[tuple[float, float, int]] = []
        spent = study.evaluator.spent
        study.report = lambda done, best: moments.append((time.process_time(), time.perf_counter(), spent.evaluations))
        if profile is not None:
            profile.enable()
        study.run(size + batches * BATCH)  # reports before the first batch and after each
        if profile is not None:
            profile.disable()
        study.evaluator.close()
    for before, after in pairwise(moments):
        done = after[2] - before[2]
        measured.processor_ms.append(1e3 * (after[0] - before[0]) / done)
        measured.wall_ms.append(1e3 * (after[1] - before[1]) / done)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000], help="candidates in the ledger")
    parser.add_argument("--batches", type=int, default=3, help="batches of 40 that are measured at each size")
    parser.add_argument("--profile", action="store_true", help="show where the time of the largest ledger goes")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    header = f"{'candidates':>10}{'evaluations':>13}{'processor ms':>14}{'wall ms':>9}"
    print(f"{header}{'resume, s':>11}     an evaluation; median of {options.batches} batches")
    measurements = []
    for size in options.sizes:
        profile = cProfile.Profile() if options.profile and size == max(options.sizes) else None
        measurement = measure(size, options.batches, profile)
        measurements.append(measurement)
        columns = f"{measurement.size:10,}{measurement.evaluations:13,}{measurement.processor:14.2f}"
        print(f"{columns}{measurement.wall:9.2f}{measurement.resume_seconds:11.2f}", flush=True)
        if profile is not None:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(SHOWN)
    smallest, largest = measurements[0], measurements[-1]
    ratio, of_wall = largest.processor / smallest.processor, largest.wall / smallest.wall
    against = f"{largest.size:,} against {smallest.size:,}"
    print(f"{against}: {ratio:.2f} × (on the clock {of_wall:.2f} ×; reach {REACH})")
    if options.json:
        print(
            json.dumps(
                {
                    "sizes": [asdict(measurement) for measurement in measurements],
                    "ratio": ratio,
                    "wall": of_wall,
                    "reach": REACH,
                }
            )
        )


if __name__ == "__main__":
    main()
