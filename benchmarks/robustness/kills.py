"""Kills a tuning again and again at random moments, each time followed by the same command.

    python -m benchmarks.robustness.kills [--kills 50] [--workers 2] [--corpus starter] [--n-trials 42] [--seed 0]
        [--json]

First the command runs undisturbed. Then it runs on a new ledger under `kill -9`, until it ends by itself; if that
comes before the last kill, on a further new ledger. Every training is logged by the process that does it, so that one
that the ledger held already is seen.

| printed | meaning |
|---|---|
| evaluations | what the undisturbed ledger holds, with references that came with the corpus |
| lost | rows of a ledger that were gone or had changed after a kill; evaluations that the last ledger lacks |
| done twice | trainings of what was in the ledger when the process began |
| in flight | trainings that had ended but were not stored yet when the kill came: these are made again |
| recipe equal | whether every recipe that was reached is the undisturbed one, hyperparameters, stopper and scores |
"""

import argparse
import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: Where a process logs its trainings, and the option that makes this script the command that is killed.
LOG, TUNE = "METAOPT_KILLS_LOG", "--tune"

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--corpus", default="starter")
    parser.add_argument("--n-trials", type=int, default=42)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = experiment(options, Path(folder))
    print(f"{options.corpus}, {options.n_trials} candidates, {options.workers} workers, seed {options.seed}")
    for name, value in asdict(figures).items():
        print(f"{name.replace('_', ' '):21}{value}")
    if options.json:
        print(json.dumps({**vars(options), **asdict(figures)}))
    sys.exit(not figures.holds)


@dataclass
class Figures:
    """Counts and times of the experiment, as they are printed."""

    kills: int = 0
    processes: int = 0
    evaluations: int = 0
    lost: int = 0
    done_twice: int = 0
    in_flight: int = 0
    recipe_equal: bool = True
    seconds_undisturbed: float = 0.0
    seconds_killed: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, nothing done twice, and the recipe is the same."""
        return self.recipe_equal and not self.lost and not self.done_twice


@dataclass
class Command:
    """A tune command on a ledger of its own."""

    options: argparse.Namespace
    folder: Path
    launches: int = 0
    before: Rows = field(default_factory=dict)

    def run_to_first_training(self) -> float:
        """Run it undisturbed; seconds until its first training had ended."""
        begun, first = time.perf_counter(), []

        def watch() -> None:
            while not self.trained():
                time.sleep(0.2)
            first.append(time.perf_counter() - begun)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        self.run()
        watcher.join()
        return first[0]

    def run(self, seconds: float | None = None) -> bool:
        """Run it, killed after so many seconds; whether it ended by itself."""
        self.launches += 1
        self.before = self.rows()
        arguments = [self.options.corpus, "--out", str(self.folder), "--n-trials", str(self.options.n_trials)]
        arguments += ["--optimizers", "adamw,sgd,nadamw", "--wrappers", "", "--workers", str(self.options.workers)]
        with (self.folder.parent / "output").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, __file__, TUNE, "tune", *arguments],
                env={**os.environ, LOG: str(self._log), "OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=output,
            )
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
        if status not in (0, -signal.SIGKILL):
            sys.exit(f"The command failed:\n{Path(output.name).read_text()}")
        return status == 0

    def rows(self) -> Rows:
        """Every evaluation in the ledger, with its row's number and the moment at which it was stored."""
        query = "SELECT configuration_key, task, seed, id, seconds, finished_at FROM metaopt_evaluations"
        try:
            connection = sqlite3.connect(f"file:{self.folder}/study.db?mode=ro", uri=True)
            try:
                return {row[:3]: row[3:] for row in connection.execute(query)}
            finally:
                connection.close()
        except sqlite3.OperationalError:  # killed before there were tables
            return {}

    def trained(self) -> list[tuple[Any, ...]]:
        """What the last launch and its workers trained to the end."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def recipe(self) -> Mapping[str, Any]:
        """The recipe that came out, but for the moment at which it was written."""
        document: dict[str, Any] = json.loads((self.folder / "recipe" / "recipe.json").read_text())
        del document["provenance"]["created"]
        return document

    @property
    def _log(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.{self.launches}.trained"


def experiment(options: argparse.Namespace, folder: Path) -> Figures:
    """The undisturbed run, and the ones that are killed."""
    whole = Command(options, folder / "whole")
    begun = time.perf_counter()
    start = whole.run_to_first_training()
    figures = Figures(evaluations=len(whole.rows()), seconds_undisturbed=round(time.perf_counter() - begun, 1))
    print(f"undisturbed: {figures.seconds_undisturbed} s, the first training after {start:.1f} s", flush=True)
    begun = time.perf_counter()
    # Moments are even over [0, reach]; a launch that outlives `start` gets on, and all do by 1 / kills on average.
    share = figures.seconds_undisturbed / options.kills
    reach = start + share + math.sqrt(share**2 + 2 * share * start)
    moments = random.Random(options.seed)
    while figures.kills < options.kills:
        killed = Command(options, folder / f"killed{figures.kills}")
        ended = False
        while not ended:
            ended = killed.run(moments.uniform(0, reach) if figures.kills < options.kills else None)
            figures.kills += not ended
            _count(killed, figures)
            if killed.launches > 1 and killed.rows().keys() == killed.before.keys():
                reach *= 1.05  # what is stored at once must fit between two kills
            print(f"{figures.kills} kills, {len(killed.rows())} of {figures.evaluations} evaluations", flush=True)
        figures.lost += len(whole.rows().keys() ^ killed.rows().keys())
        figures.recipe_equal &= killed.recipe() == whole.recipe()
    figures.seconds_killed = round(time.perf_counter() - begun, 1)
    return figures


def _count(command: Command, figures: Figures) -> None:
    after, trained = command.rows(), command.trained()
    figures.processes += 1
    figures.lost += sum(after.get(key) != row for key, row in command.before.items())
    figures.done_twice += sum(key in command.before for key in trained) + len(trained) - len(set(trained))
    figures.in_flight += sum(key not in after for key in trained)


def tune_and_log() -> None:
    """The command line, with a log of every training; what is logged here is what the ledger will hold."""
    import metaopt.cli
    from metaopt.tuning.running import evaluator

    train = evaluator.run_task

    def logged(task: Any, runs: Any, *how: Any) -> Any:
        results = train(task, runs, *how)
        lines = [json.dumps([assembly.configuration.key, task.name, seed]) for assembly, seed in runs]
        with open(os.environ[LOG], "a") as log:
            log.write("".join(f"{line}\n" for line in lines))
        return results

    evaluator.run_task = logged
    metaopt.cli.main(sys.argv[2:])


if __name__ == "__main__":
    tune_and_log() if sys.argv[1:2] == [TUNE] else main()
