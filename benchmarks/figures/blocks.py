"""Blocks of output on pages: `<!-- output: COMMAND (PART) -->` before a fenced block says what the block shows."""

import re
import textwrap
from collections.abc import Callable, Iterable

from benchmarks.figures.jobs import of_command
from benchmarks.figures.results import Results

#: Longest line of a block; longer sentences are wrapped.
WIDTH = 120

_MARKER = re.compile(r"^(?P<command>.*?)(?: \((?P<part>[^()]*)\))?$")


def block(marker: str, results: Results) -> str:
    """The text of the block after a marker.

    Raises:
        LookupError: no job has this command, its result has no such part, or it has not been stored.
    """
    match = _MARKER.match(marker)
    assert match is not None
    job = of_command(match["command"])
    if job is None:
        raise LookupError(f"No job of benchmarks/figures/jobs.py runs `{match['command']}`; add it there.")
    stored = results.of_command(job.result, job.command)
    if stored is None:
        raise LookupError(f"`{job.command}` has not been run: `make figures ARGS='--only {job.result}'`.")
    parts = PARTS.get(job.result, {})
    if match["part"] is not None and match["part"] not in parts:
        raise LookupError(f"The output of `{match['command']}` has no part {match['part']!r}; known: {list(parts)}.")
    shown = stored.output if match["part"] is None else parts[match["part"]](paragraphs(stored.output))
    return "\n".join(wrapped(shown.splitlines()))


def wrapped(lines: Iterable[str]) -> list[str]:
    """Lines of at most `WIDTH` characters."""
    short = (textwrap.wrap(line, WIDTH) if len(line) > WIDTH else [line] for line in map(str.rstrip, lines))
    return [part for parts in short for part in parts]


def paragraphs(text: str) -> list[str]:
    """What blank lines separate."""
    return [part.strip("\n") for part in re.split(r"\n[ \t]*\n", text) if part.strip()]


def section(title: str, paragraphs_: list[str]) -> list[str]:
    """A titled section of a report: its title, and what follows up to the next title."""
    titles = {"Test scores", "Worst tasks", "Cost"}
    start = paragraphs_.index(title)
    rest = paragraphs_[start + 1 :]
    length = next((number for number, one in enumerate(rest) if one in titles), len(rest))
    return [title, *rest[:length]]


def starting(words: str) -> Callable[[list[str]], str]:
    """The paragraph that begins with these words."""
    return lambda parts: next(part for part in parts if part.startswith(words))


def _scores_and_cost(parts: list[str]) -> str:
    scores, cost = section("Test scores", parts), section("Cost", parts)
    sentence = starting("Recipe scores")(parts)
    return "\n\n".join([*scores, sentence, *cost[:2]])


def _last_sentences(parts: list[str]) -> str:
    return "\n\n".join(starting(words)(parts) for words in ("The first run of a new model", "It cost"))


def _worst_tasks(parts: list[str]) -> str:
    return "\n\n".join(section("Worst tasks", parts)[:3])


def _held_out(parts: list[str]) -> str:
    return "\n\n".join(starting(words)(parts) for words in ("Test scores on", "Its first run"))


#: Parts of a result's output by the words in parentheses.
PARTS: dict[str, dict[str, Callable[[list[str]], str]]] = {
    "tune_starter": {
        "the last sentences": _last_sentences,
        "without its progress and the list of hyperparameters": _scores_and_cost,
        "scores and cost": _scores_and_cost,
        "worst tasks": _worst_tasks,
    },
    "tune_tables": {"the last sentences": _last_sentences},
    "show_default": {"what it scored held out": _held_out},
}
