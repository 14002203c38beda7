"""`metaopt show CORPUS`: what would be trained on, and what stands against it."""

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.errors import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metaopt.contracts import AnyTask, Corpus
    from metaopt.report import Table
    from metaopt.tasks import FolderReport, TableReport

#: Classes of a task, and columns of a table, that are shown.
_MOST_CLASSES, _MOST_COLUMNS = 10, 40
#: Columns in a row that become the same, from which one line stands for all.
_LEAST_FOLDED = 6


def show_corpus(source: str, *, as_json: bool) -> None:
    """Print a corpus: a folder with what its files become and all refusals, anything else by its tasks.

    Args:
        source: see `metaopt.load_corpus`.
        as_json: whether to print one JSON document.

    Raises:
        InputError: there is no such corpus.
    """
    from metaopt.files import is_folder
    from metaopt.plugin import CorpusSpec, current_registry
    from metaopt.tasks import folder_kind, inspect_folder, inspect_labelled_folder, load_corpus

    is_registered = source in current_registry().names(CorpusSpec)
    kind = "episodes" if is_registered or not is_folder(source) else folder_kind(Path(source))
    if kind != "episodes":
        folder = Path(source)
        report = inspect_folder(folder) if kind == "tables" else inspect_labelled_folder(folder, kind)
        if as_json:
            print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
        else:
            _print_folder(report)
        return
    corpus = load_corpus(source)
    if as_json:
        print(json.dumps([_task_facts(task) for task in corpus], indent=2))
    else:
        _print_corpus(corpus)


def _print_folder(report: "FolderReport") -> None:
    from metaopt.cli.terminal import print_paragraph, print_table

    for table in report.tables:
        print_table(_columns(table))
        for line in (*_lines(table), *table.hints):
            print_paragraph(line)
    for note in report.notes:
        print_paragraph(note)
    refused = [table for table in report.tables if table.refusals]
    if not refused:
        count, what = len(report.tables), _what(report)
        print_paragraph(f"The {what} trains as it is." if count == 1 else f"All {count} {what}s train as they are.")
        return
    print_paragraph(
        f"{len(refused)} of {len(report.tables)} {_what(report)}s cannot be used as they are. What is shown above is "
        "what they become with the corpus.toml below."
    )
    for table in refused:
        for sentence in table.refusals:
            print_paragraph(sentence)
    stuck = [table.name for table in refused if not table.trains]
    if report.toml:
        print(f"# {Path(report.folder) / 'corpus.toml'}")
        print(report.toml)
    if stuck:
        or_there = ", or what corpus.toml says" if (Path(report.folder) / "corpus.toml").exists() else ""
        what = f"change or remove the files{or_there}"
        print_paragraph(f"No further setting makes these train; {what}: {listed(stuck)}.")


def _what(report: "FolderReport") -> str:
    """What a file of a folder is called: those of images and texts by class are folders."""
    return "folder" if all(Path(table.path).is_dir() for table in report.tables) else "table"


def _columns(table: "TableReport") -> "Table":
    from metaopt.report import Table

    rows = tuple(_folded(table.columns))
    shown = rows if len(rows) <= _MOST_COLUMNS else (*rows[: _MOST_COLUMNS - 1], rows[-1])
    note = f"And {len(rows) - len(shown)} columns more, of which --json has all." if len(shown) < len(rows) else ""
    return Table(table.name, ("column", "becomes"), shown, num_labels=2, note=note)


def _folded(columns: "Mapping[str, str]") -> "Iterator[tuple[str, str]]":
    """Columns that become the same, one after the other, in one row."""
    for meaning, run in groupby(columns.items(), key=lambda item: item[1]):
        names = [name for name, _ in run]
        if len(names) < _LEAST_FOLDED:
            yield from ((name, meaning) for name in names)
        else:
            yield f"{names[0]} … {names[-1]} ({len(names)} columns)", meaning


def _lines(table: "TableReport") -> list[str]:
    facts = table.facts
    if not facts:
        return []
    unit, inputs = facts.get("unit", "rows"), facts["inputs"]
    inputs = f"{inputs[:1].upper()}{inputs[1:]}" if isinstance(inputs, str) else f"{inputs} inputs"
    layout = ", ".join(filter(None, (facts["separator"], facts["encoding"])))
    left_out = f", {facts['rows left out']} left out" if facts["rows left out"] else ""
    return [
        f"{table.path}: {facts['rows']:,} {unit}{left_out}{f' ({layout})' if layout else ''}; "
        f"{facts['kind']} of {facts['target']}: {_target(facts)}. {inputs}; {facts['train']:,} {unit} "
        f"train, {facts['validation']:,} validate, {facts['test']:,} test; {facts['steps']} steps of {facts['batch']}. "
        f"The validation {unit} tell apart {facts['tells apart']}."
    ]


def _target(facts: "Mapping[str, Any]") -> str:
    if "range" in facts:
        low, middle, high = facts["range"]
        return f"{low:g} to {high:g}, median {middle:g}"
    classes = facts["classes"]
    shown = [f"{name} {count:,} ({count / facts['rows']:.0%})" for name, count in list(classes.items())[:_MOST_CLASSES]]
    more = f" and {len(classes) - _MOST_CLASSES} classes more" if len(classes) > _MOST_CLASSES else ""
    return ", ".join(shown) + more


def _task_facts(task: "AnyTask") -> dict[str, Any]:
    """Name, family, kind and sizes; making the data of tasks that make theirs."""
    from metaopt.contracts import BlackBoxTask, Task

    facts: dict[str, Any] = {"name": task.name, "family": task.family}
    if isinstance(task, Task):
        splits = task.splits
        facts |= {
            "inputs": list(splits.train.inputs.shape[1:]),
            "train": len(splits.train),
            "validation": len(splits.validation),
            "test": len(splits.test),
            "steps": task.num_steps,
            "batch": task.batch_size,
            "parameters": task.scale.parameters,
        }
    elif isinstance(task, BlackBoxTask):
        facts["steps"] = task.num_steps
    return facts


def _print_corpus(corpus: "Corpus") -> None:
    from metaopt.cli.terminal import print_table
    from metaopt.report import Table

    columns = ("task", "family", "inputs", "train", "validation", "test", "steps", "batch", "parameters")
    rows = tuple(
        tuple(_shown(facts.get("name" if column == "task" else column)) for column in columns)
        for facts in map(_task_facts, corpus)
    )
    print_table(Table(f"{corpus.name}, {len(corpus)} tasks", columns, rows, num_labels=2))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "×".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
