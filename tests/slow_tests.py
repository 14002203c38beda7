"""Tests that take longer than `LIMIT` are left out of `make test-fast`: which these are is measured and kept.

    make test ARGS=--durations=0 > times.txt
    python -m tests.slow_tests times.txt

A line of `slow_tests.txt` is a test as pytest names it: with its parameters, or without where most of them are slow.
The file is written anew from the times of a run; tests that the run did not have keep their lines while they exist.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".txt")
#: Seconds of a run with both cores in use.
LIMIT = 0.4
TIME = re.compile(r"([\d.]+)s (?:call|setup|teardown) +(tests/.+)")


def function_of(test: str) -> str:
    return test.partition("[")[0]


def listed() -> list[str]:
    return LIST.read_text().splitlines()


def is_listed(test: str, names: Iterable[str]) -> bool:
    return test in names or function_of(test) in names


def times(lines: Iterable[str]) -> dict[str, float]:
    """Seconds of each test, its fixtures counted, from what `--durations=0` printed."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        if found := TIME.fullmatch(line.strip()):
            seconds[found[2]] += float(found[1])
    return dict(seconds)


def slow(seconds: Mapping[str, float]) -> list[str]:
    """The tests over the limit; the function's name alone where at least half of its tests are."""
    of_function: defaultdict[str, list[str]] = defaultdict(list)
    for test in seconds:
        of_function[function_of(test)].append(test)
    names: list[str] = []
    for function, tests in of_function.items():
        over = [test for test in tests if seconds[test] > LIMIT]
        names += [function] if len(over) * 2 >= len(tests) else over
    return sorted(names)


def exists(test: str) -> bool:
    """Whether the file of a test has a function of that name."""
    path, *_, name = function_of(test).split("::")
    file = ROOT / path
    return file.is_file() and re.search(rf"def {re.escape(name)}\(", file.read_text()) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", type=Path, help="what pytest printed with --durations=0")
    seconds = times(parser.parse_args().times.read_text().splitlines())
    seen = {function_of(test) for test in seconds}
    kept = [name for name in listed() if function_of(name) not in seen and exists(name)]
    LIST.write_text("\n".join(sorted({*slow(seconds), *kept})) + "\n")


if __name__ == "__main__":
    main()
