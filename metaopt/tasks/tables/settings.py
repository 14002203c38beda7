"""`corpus.toml`: what a folder of CSVs says about its tables."""

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from metaopt.errors import InputError, did_you_mean, first_line, is_count, listed, quoted
from metaopt.files import read_text
from metaopt.tasks.images.augmentation import CHANGES
from metaopt.tasks.tables.metrics import METRICS
from metaopt.tasks.tables.splitting import FRACTION
from metaopt.tasks.texts.tokens import LENGTH, TOKENS, VOCABULARY

FILE_NAME = "corpus.toml"

#: No real budget is larger: it guards against typing errors.
_MOST = 10**12
_MOST_PIXELS = 4096

TableKind: TypeAlias = Literal["classification", "regression"]
#: By key of `corpus.toml`, whether a value can be, and what it should be.
Checks: TypeAlias = Mapping[str, tuple[Callable[[Any], bool], str]]

#: Rows that can be left out.
ROWS = ("no_target", "rare_class", "repeated_header", "ragged", "no_image")
#: Orders of numbers in a date.
ORDERS = ("day-first", "month-first", "year-first")


@dataclass(frozen=True)
class TableSettings:
    """One table of `corpus.toml`, or what holds without it.

    Attributes:
        task: `"classification"` or `"regression"`; inferred if left out (see `metaopt.tasks.tables.target`).
        family: `"tabular_classification"` or `"tabular_regression"` if left out.
        validation: fraction of the rows, taken as it is; if left out .2, of at most 2,000 rows.
        test: fraction of the rows, taken as it is; if left out .2, of at most 4,000 rows.
        model: `"package.module:factory"`, called with `(num_inputs, num_outputs)`; a small MLP if left out.
        embeddings: whether each category is an embedding in metaopt's own model; a one-hot column a value otherwise.
        batch_size: examples a training step; never more than there are training rows.
        num_steps: training steps of a run.
        num_validations: validations of a run.
        categories: columns that are categories although they hold numbers.
        drop: columns to leave out.
        target: the column to predict; the last one if left out.
        metric: what is validated and reported, one of `metaopt.tasks.tables.metrics.METRICS`; the loss that is trained
            on if left out.
        class_weights: `"balanced"`, or a weight a class, by which the loss of its rows is multiplied.
        group: a column; rows of one group are never in two splits. It is no input.
        time: a column; rows that are later validate, and the latest test.
        hash: columns of text that become numbers by hashing, whatever they hold.
        dates: what the numbers in dates stand for, by column: `"day-first"`, `"month-first"` or `"year-first"`.
        day_first: the same for all columns that can be read both ways.
        first_year: the earliest year that two digits may mean, such as 1931.
        decimal: the decimal mark, `"."` or `","`, in columns that can be read both ways.
        gaps: what else stands for a gap, such as `"-999"`.
        drop_rows: of ROWS, which rows to leave out.
        encoding: of the file, such as `"cp1250"`.
        separator: what stands between cells.
        skip_lines: lines before the header.
        comment: what lines that are no rows begin with.
        header: whether there is one.
        number_names: whether columns of one name are told apart by numbers.
        text: the column of text that is the input, alone; that of a table of two columns where it is left out.
        tokens: of a text, `"words"` or `"characters"`; by their lengths if left out.
        vocabulary: how many different tokens count.
        length: tokens of a text that are read.
        image: the column of image files that are the input, alone; that which names files in the table's folder where
            it is left out.
        size: of images: pixels each way, or height and width; see `metaopt.tasks.images.pixels.format_of`.
        channels: of images: 1, grey; 3, colours; 4, transparency too; by the files if left out.
        augment: of images: what changes training images; see `metaopt.tasks.images.augmentation`.
    """

    task: TableKind | None = None
    family: str | None = None
    validation: float | None = None
    test: float | None = None
    model: str | None = None
    embeddings: bool = False
    batch_size: int = 64
    num_steps: int = 400
    num_validations: int = 20
    categories: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    target: str | None = None
    metric: str | None = None
    class_weights: "str | Mapping[str, float] | None" = None
    group: str | None = None
    time: str | None = None
    hash: tuple[str, ...] = ()
    dates: Mapping[str, str] = field(default_factory=dict)
    day_first: bool | None = None
    first_year: int | None = None
    decimal: str | None = None
    gaps: tuple[str, ...] = ()
    drop_rows: tuple[str, ...] = ()
    encoding: str | None = None
    separator: str | None = None
    skip_lines: int = 0
    comment: str | None = None
    header: bool = True
    number_names: bool = False
    text: str | None = None
    tokens: str | None = None
    vocabulary: int = VOCABULARY
    length: int = LENGTH
    image: str | None = None
    size: "int | tuple[int, int] | None" = None
    channels: int | None = None
    augment: tuple[str, ...] = ()


def read_settings(folder: Path, stems: Collection[str]) -> dict[str, TableSettings]:
    """Settings of each table, from `corpus.toml` where there is one.

    Args:
        folder: holds `corpus.toml`, or not.
        stems: the tables' names (file names without `.csv` or `.csv.gz`).

    Returns:
        One TableSettings a stem: the file's table over `[defaults]` over the defaults of TableSettings.

    Raises:
        InputError: not TOML, a table without a file, an unknown key, a value that cannot be.
    """
    path = folder / FILE_NAME
    tables = settings_as_written(folder)
    common = _parse(TableSettings(), tables.get("defaults", {}), f"{path}, [defaults]")
    for name in tables:
        if name != "defaults" and name not in stems:
            hint = did_you_mean(name, stems, " ({})")
            raise InputError(f"{path}: there is no {listed([name])}.csv for the table [{listed([name])}]{hint}.")
    return {stem: _parse(common, tables.get(stem, {}), f"{path}, [{stem}]") for stem in stems}


def settings_as_written(folder: Path) -> dict[str, Any]:
    """The tables of `corpus.toml` with the keys that it has; none without one.

    Raises:
        InputError: it is not TOML.
    """
    path = folder / FILE_NAME
    return _read_toml(path) if path.exists() else {}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}; correct it or remove it.") from error
    except RecursionError as error:
        raise InputError(f"{path} cannot be read: it is nested too deeply; correct it or remove it.") from error


def parsed_settings(document: Any, where: str) -> TableSettings:
    """Settings from the keys that `corpus.toml` would have.

    Args:
        document: keys with values.
        where: what to call it in messages.

    Raises:
        InputError: an unknown key, or a value that cannot be.
    """
    return _parse(TableSettings(), document, where)


def _parse(base: TableSettings, table: Any, where: str) -> TableSettings:
    if not isinstance(table, dict):
        raise InputError(f'{where} must be a table with keys such as task = "regression", got {quoted(table)}.')
    changes = {key: checked_value(key, value, where, CHECKS) for key, value in table.items()}
    settings = replace(base, **changes)
    if settings.group is not None and settings.time is not None:
        raise InputError(f"{where}: rows are divided by group or by time, not both; remove one.")
    validation, test = settings.validation or FRACTION, settings.test or FRACTION
    if validation + test >= 1:
        raise InputError(f"{where}: validation and test must leave rows to train on, got {validation} and {test}.")
    return settings


def checked_value(key: str, value: Any, where: str, checks: Checks) -> Any:
    """A value of `corpus.toml`, lists as tuples.

    Args:
        key: its name.
        value: as TOML has it.
        where: the file and table, for messages.
        checks: by key, whether a value can be, and what it should be.

    Raises:
        InputError: an unknown key, or a value that cannot be.
    """
    if key not in checks:
        hint = did_you_mean(key, checks, " ({})")
        raise InputError(f"{where}: unknown key {quoted(key)}{hint}; known: {listed(checks, 24)}.")
    is_valid, wanted = checks[key]
    if not is_valid(value):
        raise InputError(f"{where}: {key} must be {wanted}, got {quoted(value)}.")
    return tuple(value) if isinstance(value, list) else value


def _is_fraction(value: Any) -> bool:
    return isinstance(value, float) and 0 < value < 1


def is_number(value: Any) -> bool:
    """Whether a value of TOML is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_orders(value: Any) -> bool:
    return isinstance(value, dict) and all(order in ORDERS for order in value.values())


def _is_size(value: Any) -> bool:
    sides = value if isinstance(value, list) and len(value) == 2 else [value]
    return all(isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= _MOST_PIXELS for side in sides)


def _is_weights(value: Any) -> bool:
    if not isinstance(value, dict):
        return bool(value == "balanced")
    return bool(value) and all(is_number(weight) and 0 < weight < _MOST for weight in value.values())


CHECKS: Checks = {
    "task": (lambda value: value in ("classification", "regression"), "'classification' or 'regression'"),
    "family": (_is_text, "a name"),
    "validation": (_is_fraction, "a fraction between 0 and 1"),
    "test": (_is_fraction, "a fraction between 0 and 1"),
    "model": (_is_text, "'package.module:factory'"),
    "embeddings": (lambda value: isinstance(value, bool), "true or false"),
    "batch_size": (is_count, "a positive whole number"),
    "num_steps": (is_count, "a positive whole number"),
    "num_validations": (is_count, "a positive whole number"),
    "text": (_is_text, "a column's name"),
    "image": (_is_text, "a column's name"),
    "size": (_is_size, f"pixels each way, or [height, width], of at most {_MOST_PIXELS}"),
    "channels": (lambda value: value in (1, 3, 4) and not isinstance(value, bool), "1 (grey), 3 (colours) or 4"),
    "augment": (lambda value: _is_names(value) and set(value) <= set(CHANGES), f"a list of {', '.join(CHANGES)}"),
    "tokens": (lambda value: value in TOKENS, f"one of {', '.join(TOKENS)}"),
    "vocabulary": (is_count, "a positive whole number"),
    "length": (is_count, "a positive whole number"),
    "categories": (_is_names, "a list of column names"),
    "drop": (_is_names, "a list of column names"),
    "target": (_is_text, "a column's name"),
    "metric": (lambda value: value in METRICS, f"one of {', '.join(METRICS)}"),
    "class_weights": (_is_weights, "'balanced' or a table with a positive number a class, {yes = 2.0, no = 1.0}"),
    "group": (_is_text, "a column's name"),
    "time": (_is_text, "a column's name"),
    "hash": (_is_names, "a list of column names"),
    "dates": (_is_orders, "a table such as {signup = 'day-first'}; there are day-first, month-first and year-first"),
    "day_first": (lambda value: isinstance(value, bool), "true or false"),
    "first_year": (lambda value: is_count(value) and 1800 <= value <= 2000, "a year from 1800 to 2000"),
    "decimal": (lambda value: value in (".", ","), "'.' or ','"),
    "gaps": (_is_names, "a list of texts such as '-999'"),
    "drop_rows": (lambda value: _is_names(value) and set(value) <= set(ROWS), f"a list of {', '.join(ROWS)}"),
    "encoding": (_is_text, "a name such as 'cp1250'"),
    "separator": (lambda value: _is_text(value) and len(value) == 1, "one character"),
    "skip_lines": (lambda value: is_count(value) or (value == 0 and not isinstance(value, bool)), "a whole number"),
    "comment": (lambda value: _is_text(value) and len(value) == 1, "one character"),
    "header": (lambda value: isinstance(value, bool), "true or false"),
    "number_names": (lambda value: isinstance(value, bool), "true or false"),
}
