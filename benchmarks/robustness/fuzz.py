"""Feeds metaopt what people and accidents make of its inputs, from one seed.

    python -m benchmarks.robustness.fuzz [--inputs 1000] [--seed 0] [--only tables,toml] [--json]

Tables, files of runs, TOML, recipes, weights, `--set`, `--start-from`, ledgers, state_dicts, names, plugin files and
whole commands, each with its own share. Of most the truth is known: a table is written down in another way, a file is
damaged in a way that leaves or loses its meaning.

| outcome | meaning |
|---|---|
| read | it was taken, and means what it says |
| refused | a MetaOptError of one sentence under 500 characters that repeats no word of more than 80 |
| wrong | it was taken for something else: a silent wrong reading |
| raw | another exception; from a command, an exit code other than 0 and 2, or a traceback |
| long | refused, in more than one sentence under 500 characters |
| hang | no answer within 20 seconds |

The exit code is 0 where nothing is wrong, raw, long or hangs.
"""

import argparse
import json
import random
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.robustness import fuzz_documents, fuzz_recipes, fuzz_state, fuzz_tables
from benchmarks.robustness.fuzz_truth import WrongReadingError
from metaopt.errors import MetaOptError

SECONDS = 20
OUTCOMES = ("read", "refused", "wrong", "raw", "long", "hang")

#: By kind, the function that makes one input and uses it, and the kind's share of all inputs.
KINDS: dict[str, tuple[Callable[[random.Random, Path], None], int]] = {
    "tables": (fuzz_tables.table, 25),
    "runs": (fuzz_tables.runs, 12),
    "toml": (fuzz_documents.toml, 10),
    "recipes": (fuzz_recipes.recipe, 12),
    "weights": (fuzz_recipes.weights, 8),
    "--set": (fuzz_documents.setting, 8),
    "--start-from": (fuzz_documents.start_from, 8),
    "ledgers": (fuzz_state.ledger, 4),
    "state_dicts": (fuzz_state.state_dict, 6),
    "names": (fuzz_documents.name, 4),
    "plugins": (fuzz_documents.plugin, 3),
    "commands": (fuzz_state.command, 3),
}


class HangError(BaseException):
    """An input took too long; no handler of exceptions takes it for one of its own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(KINDS), help="kinds, divided by commas")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    kinds = options.only.split(",")
    shares = [KINDS[kind][1] for kind in kinds]
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fuzz") as home:
        for number in range(options.inputs):
            rng = random.Random(f"{options.seed} {number}")
            kind = rng.choices(kinds, shares)[0]
            outcome, message = outcome_of(KINDS[kind][0], rng, Path(home) / str(number))
            counts[kind][outcome] += 1
            if outcome not in ("read", "refused"):
                failures.append(f"input {number}, {kind}, {outcome}: {message}")
                print(failures[-1], file=sys.stderr)
    print_counts(counts, options.seed)
    if options.json:
        print(json.dumps({"seed": options.seed, "counts": counts, "failures": failures}))
    sys.exit(bool(failures))


def outcome_of(act: Callable[[random.Random, Path], None], rng: random.Random, folder: Path) -> tuple[str, str]:
    """The outcome of one input, and what there is to say about it."""
    folder.mkdir()
    signal.signal(signal.SIGALRM, _hang)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            act(rng, folder)
    except MetaOptError as error:
        return ("refused", str(error)) if is_one_short_sentence(str(error)) else ("long", str(error)[:1000])
    except WrongReadingError as error:
        return "wrong", str(error)[:1000]
    except HangError:
        return "hang", traceback.format_exc(limit=-3)
    except BaseException as error:
        return "raw", f"{type(error).__name__}: {str(error)[:200]}\n{''.join(traceback.format_exc(limit=-3))[:2000]}"
    finally:
        signal.alarm(0)
    return "read", ""


def is_one_short_sentence(message: str) -> bool:
    """Whether a message is one line under 500 characters that repeats no long word of the input."""
    return 0 < len(message) < 500 and "\n" not in message and not re.search(r"[^\s/]{81,}", message)


def print_counts(counts: dict[str, Counter[str]], seed: int) -> None:
    print(f"{sum(map(Counter.total, counts.values())):,} inputs, seed {seed}")
    print(f"{'kind':14}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES))
    for kind, counter in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        print(f"{kind:14}" + "".join(f"{counter[outcome]:9}" for outcome in OUTCOMES))


def _hang(number: int, frame: object) -> None:
    raise HangError


if __name__ == "__main__":
    main()
