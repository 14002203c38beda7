"""Every number, output and picture of README and docs, from the commands that make them.

    make figures                                    # runs what is stale, then writes the pages
    make figures ARGS="--splice-only"               # writes the pages from stored results
    make figures ARGS="--only tune_starter step"    # runs these results anew, whatever they are
    make figures ARGS=--all                         # runs everything; on an idle machine, some hours
    make figures ARGS=--list                        # what would be run, and what is stored

Results lie in `benchmarks/results/`, each with its command, commit, versions and time. A result is stale if it is
missing, or if files of `metaopt/`, `plugins/` or the benchmark have changed since. Commands that take more than ten
minutes or measure time run only where they are named, or with --all.
"""

import argparse
import sys
import time

from benchmarks.figures.jobs import JOBS, ResultJob
from benchmarks.figures.pages import ROOT, splice
from benchmarks.figures.picture import PICTURE, drawn
from benchmarks.figures.results import Results
from benchmarks.figures.running import run, staleness


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splice-only", action="store_true", help="run nothing")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", choices=sorted({job.result for job in JOBS}))
    parser.add_argument("--all", action="store_true", help="also what is dear or measures time")
    parser.add_argument("--list", action="store_true", help="show what would be run")
    options = parser.parse_args()
    results = Results()
    try:
        jobs = [] if options.splice_only else chosen(results, options.only, options.all)
        if options.list:
            show(results, jobs)
            return
        for job in jobs:
            started = time.perf_counter()
            print(f"$ {job.command}", flush=True)
            run(job, results)
            print(f"  stored in {results.path(job.result).name} after {(time.perf_counter() - started) / 60:.1f} min")
        (ROOT / PICTURE).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / PICTURE).write_text(drawn(results.folder), encoding="utf-8")
        for page in splice(results):
            print(f"{page.relative_to(ROOT)} has changed")
    except (LookupError, RuntimeError) as error:
        sys.exit(str(error.args[0]))


def chosen(results: Results, only: list[str], everything: bool) -> list[ResultJob]:
    """The jobs to run, each after those that it needs files of."""
    selected = [job for job in JOBS if (job.result in only if only else is_due(job, results, everything))]
    needed = {name for job in selected for name in job.after}
    files = [job for job in JOBS if job.result in needed and job not in selected and not (ROOT / job.leaves).exists()]
    return sorted({*selected, *files}, key=JOBS.index)


def is_due(job: ResultJob, results: Results, everything: bool) -> bool:
    return everything or (job.when == "stale" and bool(staleness(job, results)))


def show(results: Results, jobs: list[ResultJob]) -> None:
    for job in JOBS:
        state = staleness(job, results) or "as stored"
        when = {"stale": ""}.get(job.when, f"; {job.when}: only with --all, or named")
        mark = "run " if job in jobs else "    "
        print(f"{mark}{job.result:24} {job.minutes:4g} min  {state}{when}\n     {job.command}")


if __name__ == "__main__":
    main()
