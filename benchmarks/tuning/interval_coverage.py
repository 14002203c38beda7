"""How often 95 % intervals hold the truth about another kind of task: families fixed, and families drawn too.

Scores of F families of tasks are drawn: a mean a family, normal with standard deviation `between`, and around it its
tasks, with `within`. The truth is 0, the mean over all families there could be. Coverage has a standard error of one
percent point at 400 repetitions.
"""

import argparse
import json
from collections.abc import Sequence

import numpy as np

from metaopt.tuning.judging.statistics import Interval, Population, bootstrap

LAYOUTS: dict[str, tuple[int, ...]] = {
    "2 of 5": (5,) * 2,
    "3 of 5": (5,) * 3,
    "4 of 5": (5,) * 4,
    "5 of 1": (1,) * 5,
    "5 of 5": (5,) * 5,
    "8 of 3": (3,) * 8,
    "20 of 5": (5,) * 20,
    "6 of 1 to 13": (1, 2, 3, 5, 8, 13),
}
SPREADS = ((1.0, 0.3), (0.3, 1.0), (0.0, 1.0))
POPULATIONS: tuple[Population, ...] = ("tasks", "kinds of task")


def coverage(
    sizes: Sequence[int], between: float, within: float, over: Population, repetitions: int, seed: int = 0
) -> tuple[float, float]:
    """Share of intervals that hold 0, and their mean width; NaN where there are too few tasks or families for one."""
    generator = np.random.default_rng(seed)
    families = [str(family) for family, size in enumerate(sizes) for _ in range(size)]
    intervals = [_interval(generator, sizes, families, between, within, over) for _ in range(repetitions)]
    if any(np.isnan(interval.low) for interval in intervals):
        return float("nan"), float("nan")
    return float(np.mean([interval.low <= 0 <= interval.high for interval in intervals])), float(
        np.mean([interval.high - interval.low for interval in intervals])
    )


def _interval(
    generator: np.random.Generator,
    sizes: Sequence[int],
    families: Sequence[str],
    between: float,
    within: float,
    over: Population,
) -> Interval:
    means = np.repeat(generator.normal(0, between, len(sizes)), sizes)
    return bootstrap(means + generator.normal(0, within, len(means)), families, lambda drawn: float(drawn.mean()), over)


def _cells(share: float, width: float) -> str:
    return f"{'–':>16}{'–':>8}" if np.isnan(share) else f"{share:>16.1%}{width:>8.2f}"


def main() -> None:
    """Print a row for each layout of families and each spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    print(
        f"{'families of tasks':18}{'between':>8}{'within':>8}"
        + "".join(f"{population:>16}{'width':>8}" for population in POPULATIONS)
    )
    rows = []
    for layout, sizes in LAYOUTS.items():
        for between, within in SPREADS:
            measured = [coverage(sizes, between, within, over, arguments.repetitions) for over in POPULATIONS]
            cells = "".join(_cells(*pair) for pair in measured)
            print(f"{layout:18}{between:8g}{within:8g}{cells}", flush=True)
            rows.append(
                {
                    "families": sizes,
                    "between": between,
                    "within": within,
                    "covers": dict(zip(POPULATIONS, measured, strict=True)),
                }
            )
    if arguments.json:
        print(json.dumps({"repetitions": arguments.repetitions, "seed": 0, "rows": rows}))


if __name__ == "__main__":
    main()
