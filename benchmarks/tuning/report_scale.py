"""What it takes to look at a study of 10⁵ evaluations: its result from the ledger, its table, its page.

    python -m benchmarks.tuning.report_scale [--candidates 1000 13000] [--kept FOLDER] [--profile] [--json]

The ledger is a new SQLite file, filled as that of `benchmarks.tuning.ledger_scale` is: candidates that raced over 15
tasks as a study would have raced them, then `metaopt.tune` itself, whose finals and comparison on a held-out family
train by a formula. What is measured of it afterwards, in a process of its own: `rebuild` (the result from the ledger
alone), `evaluations_dataframe`, the page, and `metaopt report` as a whole command, with its peak of memory. Seconds are
of the processor, which what else the machine does changes least; those of the clock stand beside the command's.
"""

import argparse
import contextlib
import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import metaopt
from benchmarks.tuning.ledger_scale import NUM_FAMILIES, fill, instead_of_training, tasks
from metaopt.plugin import current_registry
from metaopt.tuning import rebuild
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running import evaluator as evaluators
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.racing import race_order, with_budgets
from metaopt.tuning.search.study import Study

#: Seconds that the whole command may take on 10⁵ evaluations.
REACH = 10.0
STUDY = "scale"
HELD_OUT = f"family{NUM_FAMILIES - 1}"
#: Functions that --profile shows.
SHOWN = 40

corpus = metaopt.Corpus("scale", tuple(tasks()))


@dataclass(frozen=True)
class Measured:
    """A study of one size.

    Attributes:
        candidates: in the race.
        evaluations: that the result rests on.
        rebuild: processor seconds until the result is there, from the ledger.
        dataframe: of `evaluations_dataframe`.
        page: of `write_report`.
        page_bytes: size of the page.
        command: of `metaopt report`, from its start to its end.
        clock: of the same, by the clock.
        peak_mib: of that command's memory.
    """

    candidates: int
    evaluations: int
    rebuild: float
    dataframe: float
    page: float
    page_bytes: int
    command: float
    clock: float
    peak_mib: float


def make(url: str, candidates: int) -> None:
    """A finished study with so many candidates; nothing is trained."""
    registry = current_registry()
    tuning = with_budgets([task for task in corpus if task.family != HELD_OUT])
    with mock.patch.object(evaluators, "run_task", instead_of_training):
        evaluator = Evaluator(Ledger(url), registry, announce=lambda line: None)
        evaluator.ledger.claim(STUDY, identity())
        own = references(evaluator, race_order(with_budgets(corpus.tasks)), DEFAULT_BASELINE)
        fill(Study(STUDY, joint_space(registry), tuning, own, evaluator, seed=0), candidates, registry)
        evaluator.close()
        tune(url, candidates)


def tune(url: str, candidates: int) -> None:
    metaopt.tune(
        corpus, n_trials=candidates, held_out=[HELD_OUT], storage=url, study_name=STUDY, announce=lambda line: None
    )


def identity() -> dict[str, Any]:
    """What such a study is known by: that of a small one."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'small.db'}"
        tune(url, 1)
        ledger = Ledger(url)
        begun = ledger.begun_with(STUDY)
        ledger.close()
    assert begun is not None
    return begun


@contextlib.contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    seconds[name] = time.process_time() - begun


def parts(url: str, folder: Path, profile: bool) -> dict[str, float]:
    """Seconds of each step in this process, and how many evaluations there were."""
    from metaopt.report import write_report

    seconds: dict[str, float] = {}
    profiler = cProfile.Profile() if profile else None
    with profiler or contextlib.nullcontext():
        with timed(seconds, "rebuild"):
            result = rebuild(url, STUDY, corpus=corpus)
        with timed(seconds, "dataframe"):
            frame = result.evaluations_dataframe()
        with timed(seconds, "page"):
            page = write_report(result, folder)
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(SHOWN)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(SHOWN)
    return {**seconds, "evaluations": len(frame), "page_bytes": page.stat().st_size}


def command(url: str, folder: Path) -> tuple[float, float, float]:
    """Processor seconds, seconds by the clock and peak MiB of `metaopt report`."""
    arguments = ["report", url, "--study-name", STUDY, "--out", str(folder), "--corpus", f"{__spec__.name}:corpus"]
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "metaopt", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"metaopt report ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - begun, usage.ru_maxrss / 1024


def measure(candidates: int, folder: Path, profile: bool) -> Measured:
    """Make the study, unless it is there, and look at it."""
    file = folder / f"{candidates}.db"
    url = f"sqlite:///{file}"
    if not file.exists():
        make(url, candidates)
    pages = folder / f"{candidates}"
    inner = [sys.executable, "-m", __spec__.name, "--parts", url, str(pages), *(["--profile"] if profile else [])]
    *shown, last = subprocess.run(inner, check=True, capture_output=True, text=True).stdout.splitlines()
    if profile:
        print("\n".join(shown))
    known = json.loads(last)
    seconds, clock, peak = command(url, pages)
    return Measured(candidates=candidates, command=seconds, clock=clock, peak_mib=peak, **known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, nargs="+", default=[1_000, 13_000], help="in the study")
    parser.add_argument("--kept", type=Path, help="folder in which ledgers stay, and are found again")
    parser.add_argument("--profile", action="store_true", help="show where the time of each goes")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--parts", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.parts is not None:
        url, folder = options.parts
        print(json.dumps(parts(url, Path(folder), options.profile)))
        return
    header = (
        f"{'candidates':>10}{'evaluations':>13}{'rebuild, s':>12}{'dataframe, s':>14}{'page, s':>9}{'page, KB':>10}"
    )
    print(f"{header}{'command, s':>12}{'clock, s':>10}{'peak MiB':>10}")
    measurements = []
    with contextlib.ExitStack() as stack:
        folder = options.kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for candidates in options.candidates:
            each = measure(candidates, folder, options.profile)
            measurements.append(each)
            row = (
                f"{each.candidates:10,}{each.evaluations:13,}{each.rebuild:12.1f}{each.dataframe:14.1f}{each.page:9.1f}"
            )
            print(
                f"{row}{each.page_bytes / 1e3:10.0f}{each.command:12.1f}{each.clock:10.1f}{each.peak_mib:10.0f}",
                flush=True,
            )
    last = measurements[-1]
    print(
        f"metaopt report on {last.evaluations:,} evaluations: {last.command:.1f} s of the processor (reach {REACH:g})"
    )
    if options.json:
        print(json.dumps({"sizes": [asdict(each) for each in measurements], "reach": REACH}))


if __name__ == "__main__":
    main()
