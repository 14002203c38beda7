"""Two studies at a time in one PostgreSQL, while connections end and the server restarts.

    python -m benchmarks.robustness.postgres_faults [--at-once 20] [--connections 20] [--restarts 5] [--seed 0]

It runs a server of its own. First each study runs alone, with SQLite. Then, `--at-once` times, the drivers of both
begin in the same moment on a new database. Last, both run on one more database, again and again under further names,
until all connections were ended so many times and the server was stopped in the middle of its work so many times, at
random moments.

| printed | meaning |
|---|---|
| lost | evaluations that were stored before a fault and are gone or changed, or that a study lacks in the end |
| twice | trainings that were in the database when they were made again |
| unequal | recipes that are not the ones of the studies alone |
| ended | drivers that gave up with a sentence, and went on when the same command was run again |
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import metaopt
from benchmarks.robustness.postgres_server import Server, end_connections, missing

SEEDS = {"one": 0, "two": 1}
N_TRIALS, TASKS = 12, 3
#: Where a driver logs its trainings, and the option that makes this script a driver.
LOG, DRIVE = "METAOPT_FAULTS_LOG", "--drive"

Rows = dict[tuple[Any, ...], tuple[Any, ...]]


@dataclass
class Figures:
    created_at_once: int = 0
    connections_ended: int = 0
    restarts: int = 0
    evaluations: int = 0
    lost: int = 0
    twice: int = 0
    unequal: int = 0
    ended: int = 0


@dataclass
class Driver:
    """A study's driver: a process that is begun again where it ends with a sentence."""

    url: str
    study: str
    folder: Path
    launches: int = 0
    stored: set[str] = field(default_factory=set)
    twice: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.launches += 1
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, DRIVE, self.url, self.study, str(self.folder / "recipe")],
                env={**os.environ, LOG: str(self.log), "OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=output,
            )

    @property
    def log(self) -> Path:
        """Where this launch logs its trainings."""
        return self.folder / f"trained.{self.launches}"

    def goes_on(self) -> bool:
        """Whether it still runs; begun again where it gave up."""
        assert self.process is not None
        status = self.process.poll()
        if status is None:
            return True
        if self.log.exists():
            self.twice += sum(line in self.stored for line in self.log.read_text().splitlines())
        if status == 0:
            return False
        output = (self.folder / "output").read_text()
        if "Traceback" in output or self.launches > 30:
            sys.exit(f"The driver failed:\n{output}")
        time.sleep(0.5)
        self.stored = {" ".join(map(str, key)) for key in rows(self.url)}
        self.begin()
        return True

    def configuration(self) -> Any:
        return json.loads((self.folder / "recipe" / "recipe.json").read_text())["configuration"]


def drive(url: str, study: str, out: str) -> None:
    """Tune a corpus of black boxes that take a twentieth of a second, and write the recipe."""

    def task(name: str) -> metaopt.BlackBoxTask:
        def train(recipe: metaopt.Recipe, seed: int) -> Iterator[tuple[int, float]]:
            rate = float(recipe.configuration.hparams[f"{recipe.configuration.optimizer}.lr"])
            for step in range(1, 4):
                time.sleep(0.02)
                yield step, abs(rate - 0.01) + 1.0 / step + 0.01 * seed
            with open(os.environ[LOG], "a") as log:
                log.write(f"{recipe.configuration.key} {name} {seed}\n")

        return metaopt.BlackBoxTask(name=name, family="jobs", train=train)

    try:
        result = metaopt.tune(
            [task(f"{study}{number}") for number in range(TASKS)],
            n_trials=N_TRIALS,
            seed=SEEDS[study.split(".")[0]],
            storage=url,
            study_name=study,
            optimizers=["sgd", "adamw"],
        )
    except metaopt.StorageError as error:
        sys.exit(str(error))
    result.recipe.save(out)


def rows(url: str) -> Rows:
    """Every evaluation, with its row's number and the moment at which it was stored; none while no server answers."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    query = "SELECT configuration_key, task, seed, id, finished_at FROM metaopt_evaluations"
    try:
        with engine.connect() as connection:
            return {row[:3]: row[3:] for row in map(tuple, connection.execute(sa.text(query)))}
    except sa.exc.DBAPIError:  # not yet a table, or no server
        return {}


def alone(folder: Path) -> dict[str, tuple[Any, set[tuple[Any, ...]]]]:
    """Configuration and evaluations of each study by itself, with SQLite."""
    found = {}
    for study in SEEDS:
        driver = Driver(f"sqlite:///{folder}/{study}.db", study, folder / study)
        driver.begin()
        while driver.goes_on():
            time.sleep(0.1)
        found[study] = driver.configuration(), set(rows(driver.url))
    return found


def both(
    url: str, round_name: str, folder: Path, expected: Any, figures: Figures, faults: Iterator[float] | None = None
) -> None:
    """Both studies at once on a database, while a fault comes after each of these seconds."""
    drivers = [
        Driver(url, f"{study}.{round_name}" if faults else study, folder / round_name / study) for study in SEEDS
    ]
    before: Rows = {}
    for driver in drivers:
        driver.begin()
    due = time.monotonic() + next(faults) if faults else float("inf")
    while [driver for driver in drivers if driver.goes_on()]:
        time.sleep(0.05)
        if faults and time.monotonic() > due:
            before = rows(url) or before
            due = time.monotonic() + next(faults)
    after = rows(url)
    figures.lost += sum(after.get(key) != row for key, row in before.items())
    for study, driver in zip(SEEDS, drivers, strict=True):
        configuration, evaluations = expected[study]
        named = {
            (key, task.replace(driver.study, study), seed) for key, task, seed in after if task.startswith(driver.study)
        }
        figures.lost += len(evaluations - named)
        figures.unequal += driver.configuration() != configuration
        figures.twice += driver.twice
        figures.ended += driver.launches - 1
        figures.evaluations += len(named)


def moments(server: Server, url: str, figures: Figures, options: argparse.Namespace) -> Iterator[float]:
    """Seconds until the next fault; each is made when the one after it is asked for."""
    draw = random.Random(options.seed)
    left = ["connections"] * options.connections + ["restart"] * options.restarts
    draw.shuffle(left)
    while left:
        yield draw.uniform(1.0, 8.0)
        if left.pop() == "restart":
            server.stop()
            time.sleep(draw.uniform(0.5, 3.0))
            server.start()
            figures.restarts += 1
        else:
            end_connections(url)
            figures.connections_ended += 1
    yield float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if missing():
        sys.exit(f"No server can be run here: {missing()}.")
    figures, server = Figures(), Server()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            expected = alone(folder / "alone")
            for number in range(options.at_once):
                both(server.url(f"fresh{number}"), f"fresh{number}", folder, expected, figures)
                figures.created_at_once += 1
                print(json.dumps(asdict(figures)), flush=True)
            url, number = server.url("faults"), 0
            faults = moments(server, url, figures, options)
            while figures.connections_ended < options.connections or figures.restarts < options.restarts:
                both(url, f"round{number}", folder, expected, figures, faults)
                number += 1
                print(json.dumps(asdict(figures)), flush=True)
    finally:
        server.remove()
    holds = not (figures.lost or figures.twice or figures.unequal)
    print("nothing lost, nothing twice, every recipe as alone" if holds else "NOT as it should be")


if __name__ == "__main__":
    drive(*sys.argv[2:]) if sys.argv[1:2] == [DRIVE] else main()
