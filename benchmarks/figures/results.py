"""Stored results: what a command printed, with the command and how it was run, in `benchmarks/results/NAME.txt`.

A file holds one run or more:

    $ COMMAND
    # how it was run: date, commit, versions, minutes
    what it printed
"""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "results"

_COMMAND = re.compile(r"^\$ (?P<command>.*?)(?:\s{4,}\((?P<note>.*))?$")


@dataclass(frozen=True)
class StoredRun:
    """One run of one command.

    Attributes:
        command: as it is pasted into a shell.
        notes: lines on how it was run, without their "# ".
        output: what it printed, without blank lines around it.
    """

    command: str
    notes: tuple[str, ...]
    output: str

    def text(self) -> str:
        """The run as text of the result's file."""
        return "\n".join([f"$ {self.command}", *(f"# {note}" for note in self.notes), self.output.strip("\n")]) + "\n"


class Results:
    """The files of a folder, read when they are first asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self._files: dict[str, list[StoredRun]] = {}

    def runs(self, name: str) -> list[StoredRun]:
        """The runs of a file in its order; none where there is no such file."""
        if name not in self._files:
            path = self.path(name)
            self._files[name] = parsed(path.read_text(encoding="utf-8")) if path.exists() else []
        return self._files[name]

    def output(self, name: str) -> str:
        """What all runs of a file printed."""
        runs = self.runs(name)
        if not runs:
            raise LookupError(f"There is no result {name!r}: run `make figures ARGS='--only {name}'`.")
        return "\n\n".join(run.output for run in runs)

    def of_command(self, name: str, command: str) -> StoredRun | None:
        """The run of a command, if there is one."""
        return next((run for run in self.runs(name) if run.command == command), None)

    def put(self, name: str, run: StoredRun) -> None:
        """Write a run in the place of the one with its command, or at the end."""
        runs = list(self.runs(name))
        places = [place for place, stored in enumerate(runs) if stored.command == run.command]
        if places:
            runs[places[0]] = run
        else:
            runs.append(run)
        self.path(name).write_text("\n".join(stored.text() for stored in runs), encoding="utf-8")
        self._files[name] = runs

    def path(self, name: str) -> Path:
        """Where a result is stored."""
        return self.folder / f"{name}.txt"


def parsed(text: str) -> list[StoredRun]:
    """The runs in a file's text."""
    runs: list[StoredRun] = []
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        head = _COMMAND.match(lines[start])
        assert head is not None
        notes = [] if head["note"] is None else [head["note"].removesuffix(")")]
        first = start + 1
        while first < end and lines[first].startswith("# "):
            notes.append(lines[first].removeprefix("# "))
            first += 1
        runs.append(StoredRun(head["command"], tuple(notes), "\n".join(lines[first:end]).strip("\n")))
    return runs
