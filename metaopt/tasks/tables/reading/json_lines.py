"""A file of one JSON object a line as a data frame: keys are columns, values are read as the cells of a CSV are."""

import json
from pathlib import Path
from typing import Any

from metaopt.errors import InputError, quoted
from metaopt.tasks.tables.reading.csv_file import Texts, check_length, text_of_file, typed_cells, without_told_gaps
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.settings import TableSettings

SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")


def read_json_lines(path: Path, settings: TableSettings | None = None) -> TableFile:
    """The table in a file of JSON lines. What a line lacks, and `null`, is a gap.

    Args:
        path: of the file.
        settings: what `corpus.toml` says of it.

    Raises:
        InputError: a line is no JSON object, a value is a list or an object, there are fewer than two keys, or too few
            lines.
    """
    import pandas as pd

    told = settings or TableSettings()
    source = text_of_file(path, told)
    rows: list[dict[str, str]] = []
    nested: dict[str, int] = {}
    for number, line in enumerate(source.text.split("\n"), start=1):
        if not line.strip():
            continue
        row = _object(line, number, path)
        for key, value in row.items():
            if isinstance(value, list | dict):
                nested.setdefault(key, number)
        rows.append({key: _cell(value) for key, value in row.items()})
    refusals = [
        Refusal(
            key,
            f" holds lists or objects, the first in line {number}",
            "write what is of use in them under keys of their own, or list it under drop in corpus.toml",
            settings={"drop": [key]},
        )
        for key, number in nested.items()
        if key not in told.drop
    ]
    if refusals:
        raise refused(str(path), refusals)
    names = list(dict.fromkeys(key for row in rows for key in row))
    if len(names) < 2:
        raise InputError(f"{path} has {len(names)} keys; it needs one to learn from and one to predict in each line.")
    cells = pd.DataFrame([[row.get(name, "") for name in names] for row in rows], dtype=object)
    check_length(cells, path)
    cells = without_told_gaps(cells, told)
    return typed_cells(names, cells, told, Texts(cells, "", source.encoding, source.is_assumed))


def _object(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split(":")[0]
        raise InputError(f"{path}, line {number} is no JSON ({reason}): {quoted(line.strip())}; correct it.") from error
    if not isinstance(value, dict):
        raise InputError(
            f"{path}, line {number} must be an object such as "
            f'{{"text": "…", "label": "…"}}, got {quoted(line.strip())}.'
        )
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
