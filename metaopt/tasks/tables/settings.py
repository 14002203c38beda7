"""`corpus.toml`: what a folder of CSVs says about its tables."""

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from metaopt.errors import InputError, did_you_mean, first_line, listed, quoted
from metaopt.files import read_text
from metaopt.tasks.tables.splitting import FRACTION

FILE_NAME = "corpus.toml"

#: No real budget is larger: it guards against typing errors.
_MOST = 10**12

TableKind: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True)
class TableSettings:
    """One table of `corpus.toml`, or what holds without it.

    Attributes:
        task: `"classification"` or `"regression"`; inferred if left out (see `metaopt.tasks.tables.target`).
        family: `"tabular_classification"` or `"tabular_regression"` if left out.
        validation: fraction of the rows, taken as it is; if left out .2, of at most 2,000 rows.
        test: fraction of the rows, taken as it is; if left out .2, of at most 4,000 rows.
        model: `"package.module:factory"`, called with `(num_inputs, num_outputs)`; a small MLP if left out.
        batch_size: examples a training step; never more than there are training rows.
        num_steps: training steps of a run.
        num_validations: validations of a run.
        categories: columns that are categories although they hold numbers.
        drop: columns to leave out.
    """

    task: TableKind | None = None
    family: str | None = None
    validation: float | None = None
    test: float | None = None
    model: str | None = None
    batch_size: int = 64
    num_steps: int = 400
    num_validations: int = 20
    categories: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


KEYS = tuple(field.name for field in fields(TableSettings))


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
    tables = _read_toml(path) if path.exists() else {}
    common = _parse(TableSettings(), tables.get("defaults", {}), f"{path}, [defaults]")
    for name in tables:
        if name != "defaults" and name not in stems:
            hint = did_you_mean(name, stems, " ({})")
            raise InputError(f"{path}: there is no {listed([name])}.csv for the table [{listed([name])}]{hint}.")
    return {stem: _parse(common, tables.get(stem, {}), f"{path}, [{stem}]") for stem in stems}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}; correct it or remove it.") from error
    except RecursionError as error:
        raise InputError(f"{path} cannot be read: it is nested too deeply; correct it or remove it.") from error


def _parse(base: TableSettings, table: Any, where: str) -> TableSettings:
    if not isinstance(table, dict):
        raise InputError(f'{where} must be a table with keys such as task = "regression", got {quoted(table)}.')
    changes = {key: _checked(key, value, where) for key, value in table.items()}
    settings = replace(base, **changes)
    validation, test = settings.validation or FRACTION, settings.test or FRACTION
    if validation + test >= 1:
        raise InputError(f"{where}: validation and test must leave rows to train on, got {validation} and {test}.")
    return settings


def _checked(key: str, value: Any, where: str) -> Any:
    if key not in _CHECKS:
        hint = did_you_mean(key, KEYS, " ({})")
        raise InputError(f"{where}: unknown key {quoted(key)}{hint}; known: {', '.join(KEYS)}.")
    is_valid, wanted = _CHECKS[key]
    if not is_valid(value):
        raise InputError(f"{where}: {key} must be {wanted}, got {quoted(value)}.")
    return tuple(value) if isinstance(value, list) else value


def _is_fraction(value: Any) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "task": (lambda value: value in ("classification", "regression"), "'classification' or 'regression'"),
    "family": (_is_text, "a name"),
    "validation": (_is_fraction, "a fraction between 0 and 1"),
    "test": (_is_fraction, "a fraction between 0 and 1"),
    "model": (_is_text, "'package.module:factory'"),
    "batch_size": (_is_count, "a positive whole number"),
    "num_steps": (_is_count, "a positive whole number"),
    "num_validations": (_is_count, "a positive whole number"),
    "categories": (_is_names, "a list of column names"),
    "drop": (_is_names, "a list of column names"),
}
