"""Every recipe in every host and on two ranks, by a design in which each pair of settings occurs.

    OMP_NUM_THREADS=1 python -m benchmarks.hosts.hosts [--seed 0] [--only HOST,…] [--recipes NAME,…] [--limit N]

A case is a recipe (all that ship, each optimizer, wrapper and controller), a host (`run.step` in a plain loop,
`GradScaler`, transformers' `Trainer`, Accelerate, Lightning with automatic and with manual optimisation, skorch), one
process or two (DDP, or FSDP2 with even or uneven shards, whose ranks have different rows), an implementation,
accumulation, the model's dtype, a batch whose loss is far off, and a break half-way. Each case is held against
`run.step` in a plain loop: final weights in one process to 1e-6 of their size, between ranks bit for bit, sharded
against whole to 1e-5, continued against unbroken to 1e-6, the loss of what was saved as best against what was scored to
1e-6; or the recipe is refused at `bind`, by a sentence. Where weights differ by more, the plain loop runs once more
from weights that begin one bit away: a case that differs from it by no more than four times what this does is said to
differ by rounding, which its rule amplifies.
Printed are the counts by host and ranks, each refusal once, each case that rounding explains, and each that fails.
"""

import argparse
import dataclasses
import logging
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import torch

from benchmarks.hosts import design, frameworks, own_loops
from benchmarks.hosts.design import Case, pairwise
from benchmarks.hosts.job import Job, Trained
from benchmarks.hosts.processes import WORLD, Failed, Ranks, attempted
from benchmarks.hosts.recipes import recipes

HOSTS: Mapping[str, Callable[[Job], Trained]] = {
    "plain": own_loops.plain,
    "scaler": own_loops.scaler,
    "accelerate": own_loops.accelerate,
    "trainer": frameworks.trainer,
    "lightning": frameworks.lightning,
    "lightning_manual": frameworks.lightning_manual,
    "skorch": frameworks.skorch,
}

#: Largest difference of weights, as a share of the largest one: between hosts, between shards and whole, in bfloat16.
SAME, SHARDED, ROUNDED = 1e-6, 1e-5, 2e-2
#: As a multiple of how far the plain loop goes when its weights begin one bit away.
AMPLIFIED = 4
KINDS = ("equal", "rounding", "refused")


class Trial:
    """Runs a case and what it is compared with."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks

    def verdict(self, case: Case) -> str:
        """`"equal"`, `"rounding: …"`, `"refused: …"` or what is wrong."""
        unbroken = dataclasses.replace(case, resumed=False)
        results = self._continued(case) if case.resumed else self._train(case)
        failures = [result for result in results if isinstance(result, Failed)]
        if failures:
            return ("refused: " if all(failure.is_refusal for failure in failures) else "fails: ") + failures[0]
        plain = dataclasses.replace(unbroken, place=f"plain/{case.ranks}")
        references = self._train(plain, is_whole=True)
        for reference in references:
            if isinstance(reference, Failed):
                return f"the plain loop fails: {reference}"
        differences = self._differences(case, results, references)
        if differences.startswith("differs by "):
            nudged = self._train(plain, is_whole=True, is_nudged=True)
            by_rounding, seen = _distance(nudged[0], references[0]), _distance(results[0], references[0])
            differences += f", and that by {by_rounding:.1e} from itself when its weights begin one bit away"
            if seen <= AMPLIFIED * by_rounding:
                return f"rounding: {differences}"
        return differences or "equal"

    def _continued(self, case: Case) -> list[Trained | Failed]:
        halves = self._train(case, stop_after=1)
        if any(isinstance(half, Failed) or half.state is None for half in halves):
            return halves
        return self._train(case, states=[half.state for half in halves])

    def _train(
        self,
        case: Case,
        *,
        is_whole: bool = False,
        is_nudged: bool = False,
        stop_after: int | None = None,
        states: list | None = None,
    ) -> list[Trained | Failed]:
        world = 1 if case.ranks == "one" else WORLD
        jobs = [
            Job(case, rank, world, is_whole, is_nudged, stop_after, states and states[rank]) for rank in range(world)
        ]
        return [attempted(jobs[0])] if world == 1 else self._ranks.run(jobs)

    def _differences(self, case: Case, results: list[Trained], references: list[Trained]) -> str:
        first = results[0]
        for other in results[1:]:
            if _distance(first, other) > 0 or (first.stopped, first.num_steps) != (other.stopped, other.num_steps):
                return f"ranks differ by {_distance(first, other):.1e}"
        allowed = SHARDED if case.ranks in ("even", "uneven") else SAME
        allowed = ROUNDED if case.dtype == "bfloat16" else allowed
        for result, reference in zip(results, references, strict=True):
            if (result.num_steps, result.stopped) != (reference.num_steps, reference.stopped):
                return f"{result.num_steps} steps, the plain loop {reference.num_steps}"
            if not _distance(result, reference) <= allowed:
                return f"differs by {_distance(result, reference):.1e} from the plain loop"
            if result.saved is not None and abs(result.saved - result.best_value) > SAME * abs(result.best_value):
                return f"saved {result.saved:.6f}, scored {result.best_value:.6f}"
        return ""


def _distance(one: Trained, other: Trained) -> float:
    pairs = list(zip(one.weights, other.weights, strict=True))
    size = max(float(weight.abs().max()) for weight in other.weights)
    return max(float((left - right).abs().max()) for left, right in pairs) / size


def axes(names: list[str]) -> dict[str, tuple]:
    """The values of each field of a case."""
    return {
        "recipe": tuple(names),
        "place": design.PLACES,
        "implementation": ("auto", "rule"),
        "accumulation": (1, 2),
        "dtype": ("float32", "bfloat16"),
        "spike": (False, True),
        "resumed": (False, True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="hosts, separated by commas")
    parser.add_argument("--recipes", help="names, separated by commas")
    parser.add_argument("--ranks", help="one, ddp, even or uneven, separated by commas")
    parser.add_argument("--limit", type=int, help="the first so many cases alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    cases = pairwise(axes(list(recipes())), lambda case: case.is_possible, options.seed)
    for field, wanted in (("host", options.only), ("recipe", options.recipes), ("ranks", options.ranks)):
        if wanted:
            cases = [case for case in cases if getattr(case, field) in wanted.split(",")]
    cases = cases[: options.limit]
    ranks, started = Ranks(), time.monotonic()
    trial = Trial(ranks)
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    refusals: dict[str, list[str]] = defaultdict(list)
    rounded, failures = [], []
    for number, case in enumerate(cases):
        verdict = trial.verdict(case)
        kind = verdict.split(":")[0] if verdict.startswith(KINDS) else "wrong"
        counts[case.host, case.ranks][kind] += 1
        if kind == "refused":
            refusals[verdict].append(str(case))
        elif kind == "rounding":
            rounded.append(f"{case}: {verdict}")
        elif kind == "wrong":
            failures.append(f"{case}: {verdict}")
            print(f"  {failures[-1]}", file=sys.stderr, flush=True)
        if number % 20 == 0:
            print(f"{number} of {len(cases)} cases, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    ranks.close()
    print(f"{len(cases)} cases, seed {options.seed}, {(time.monotonic() - started) / 60:.0f} min\n")
    print(f"{'host':18}{'ranks':10}{'equal':>8}{'rounding':>10}{'refused':>9}{'wrong':>7}")
    for (host, where), count in sorted(counts.items()):
        print(f"{host:18}{where:10}{_columns(count)}")
    total = sum(counts.values(), Counter())
    print(f"{'all':28}{_columns(total)}\n")
    for verdict, where in sorted(refusals.items()):
        print(f"{verdict}\n    {len(where)} cases, such as {where[0]}")
    print(*rounded, *failures, sep="\n")


def _columns(count: Counter[str]) -> str:
    return f"{count['equal']:8}{count['rounding']:10}{count['refused']:9}{count['wrong']:7}"


if __name__ == "__main__":
    main()
