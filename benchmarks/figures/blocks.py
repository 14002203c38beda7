"""Blocks of output on pages: `<!-- output: COMMAND (PART) -->` before a fenced block says what the block shows."""

import re
import textwrap
from collections.abc import Callable, Iterable

from benchmarks.figures.jobs import of_command
from benchmarks.figures.results import Results, StoredRun

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
    result, stored = stored_run(match["command"], results)
    parts = PARTS.get(result, {})
    if match["part"] is not None and match["part"] not in parts:
        raise LookupError(f"The output of `{match['command']}` has no part {match['part']!r}; known: {list(parts)}.")
    output = stored.output if match["part"] is None else parts[match["part"]](paragraphs(stored.output))
    return "\n".join(wrapped(output.splitlines()))


def command_of(marker: str) -> str:
    """The command of a marker, without the part."""
    match = _MARKER.match(marker)
    assert match is not None
    return match["command"]


def stored_run(command: str, results: Results) -> tuple[str, StoredRun]:
    """The result that holds a command's output: that of its job, or the one that is called like its benchmark."""
    job = of_command(command)
    module = re.match(r"python -m benchmarks\.\w+\.(\w+)", command)
    if job is not None:
        result, stored = job.result, results.of_command(job.result, job.command)
    elif module is not None:
        result = module[1]
        stored = next((run for run in results.runs(result) if run.command.startswith(command)), None)
    else:
        raise LookupError(f"No job of benchmarks/figures/jobs.py runs `{command}`; add it there.")
    if stored is None:
        raise LookupError(f"`{command}` has not been run: `make figures ARGS='--only {result}'`.")
    return result, stored


def wrapped(lines: Iterable[str]) -> list[str]:
    """Sentences in lines of at most `WIDTH` characters; rows of tables, which have wide gaps, stay whole."""
    stripped = (line.rstrip() for line in lines)
    short = (textwrap.wrap(line, WIDTH) if len(line) > WIDTH and "   " not in line else [line] for line in stripped)
    return [part for parts in short for part in parts]


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, which blank lines separate."""
    return [part.strip("\n") for part in re.split(r"\n[ \t]*\n", text) if part.strip()]


def section(title: str, paragraphs_: list[str]) -> list[str]:
    """A titled section of a report: its title, and what follows up to the next title."""
    titles = {"Test scores", "Worst tasks", "Cost"}
    start = paragraphs_.index(title)
    following = paragraphs_[start + 1 :]
    length = next((number for number, paragraph in enumerate(following) if paragraph in titles), len(following))
    return [title, *following[:length]]


def starting(words: str) -> Callable[[list[str]], str]:
    """The paragraph that begins with these words."""
    return lambda parts: next(part for part in parts if part.startswith(words))


def _scores_and_cost(parts: list[str]) -> str:
    scores, cost = section("Test scores", parts), section("Cost", parts)
    sentence = starting("Recipe scores")(parts)
    return "\n\n".join([*scores, sentence, *cost[:2]])


def _end(parts: list[str]) -> str:
    """The last three lines: verdict, worth, cost."""
    return parts[-1]


def _worst_tasks(parts: list[str]) -> str:
    return "\n\n".join(section("Worst tasks", parts)[:3])


def _tables(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part.startswith("unseen "))


def _held_out(parts: list[str]) -> str:
    return "\n\n".join(starting(words)(parts) for words in ("Test scores on", "Its first run"))


#: Parts of a result's output by the words in parentheses.
PARTS: dict[str, dict[str, Callable[[list[str]], str]]] = {
    "tune_starter": {
        "the last sentences": _end,
        "without its progress and the list of hyperparameters": _scores_and_cost,
        "scores and cost": _scores_and_cost,
        "worst tasks": _worst_tasks,
    },
    "tune_tables": {"how it ends": _end},
    "learned_quality": {"its tables": _tables},
    "learned_schedules": {"its tables": _tables},
    "travel": {"all tasks": starting("19 tasks")},
    "show_default": {"what it scored held out": _held_out},
}
