"""Markdown tables from stored results."""

import re
from collections.abc import Iterable, Sequence

from benchmarks.figures.results import Results

_INTERVAL = r"(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+)"


def scores(results: Results) -> str:
    """Mean test scores on held-out tasks, of the default recipe and the starter corpus's, and of what others use."""
    peers = {
        "AdamW 1e-3": "adamw",
        "AdamW, cosine": "adamw+cosine",
        "Schedule-Free AdamW": "schedulefree_adamw",
        "Prodigy": "prodigy",
        "**recipe**": "recipe",
    }
    default = results.output("default_recipe").split("held-out tasks", 1)[1]
    starter = results.output("tune_starter").split("Test scores", 1)[1]
    rows = []
    for label, name in peers.items():
        numbers = _matched(rf"^\s*{re.escape(name)}\s+{_INTERVAL}", default)
        mean, low, high = (f"{float(number):.2f}" for number in numbers)
        theirs = _matched(rf"^\s*{re.escape(name)}\s+(\S+ \[.*?\])", starter)[0]
        rows.append((label, f"{mean} [{low}, {high}]", theirs))
    tasks = [_matched(r"Recipe scores .*? on (\d+) tasks", text)[0] for text in (default, starter)]
    return table(("", f"default recipe's {tasks[0]} tasks", f"starter corpus, {tasks[1]} tasks"), rows)


def speed(results: Results) -> str:
    """What tuning, importing and stepping take, beside what they may take."""
    cost, imports = results.output("tune_cost"), results.output("imports")
    step, population = results.output("step"), results.output("population")
    minutes = re.findall(r"^minutes\s+(\S+)", cost, re.MULTILINE)
    gibs = re.findall(r"^peak GiB\s+(\S+)", cost, re.MULTILINE)
    shared = population.split("shared batches", 1)[1]
    compiled = r"population, compiled\s+\S+\s+(\S+) ×"
    return table(
        ("measure", "reach", "measured", "command"),
        [
            (
                "tuning 100 candidates on the starter corpus, one worker and two",
                "≤ 8 min, ≤ 3 GiB",
                "; ".join(f"{taken} min, {gib} GiB" for taken, gib in zip(minutes, gibs, strict=True)),
                command(results, "tune_cost"),
            ),
            (
                "`import metaopt` beyond `import torch`",
                "≤ 0.3 s",
                _matched(r"^import metaopt\s+\S+\s+(\S+)", imports)[0] + " s",
                command(results, "imports"),
            ),
            (
                "`metaopt plugins` beyond `import torch`",
                "≤ 0.5 s",
                _matched(r"^metaopt plugins\s+\S+\s+(\S+)", imports)[0] + " s",
                command(results, "imports"),
            ),
            (
                "a step of the compiled `adamw` rule against torch's for-loop",
                "≤ 1 ×",
                "{} ×, after {} s of compiling".format(
                    _matched(r"rule compiled.*?(\S+) × for-loop", step)[0],
                    _matched(r"compiling the rule took (\S+) s", step)[0],
                ),
                command(results, "step"),
            ),
            (
                "training 128 members side by side against a plain loop",
                "≥ 5 ×",
                "{} × eager, {} × compiled, {} × where members share their batches".format(
                    _matched(r"population\s+\S+\s+(\S+) ×", population)[0],
                    _matched(compiled, population)[0],
                    _matched(compiled, shared)[0],
                ),
                command(results, "population"),
            ),
        ],
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def command(results: Results, name: str) -> str:
    """The command of a result, as code."""
    return f"`{results.runs(name)[0].command.split(';')[0]}`"


def _matched(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise LookupError(f"A stored result has nothing like {pattern!r}.")
    return match.groups()
