"""Reference runs that ship with a corpus, found by task fingerprint, so that its users need not train them.

A file is a compressed NumPy archive without pickle: `index`, JSON with the tasks and the configurations; one entry a
run of `task`, `configuration`, `seed`, `horizon`, `length`, `tested` and `seconds`; and the runs' series end to end, in
float32: `steps`, `values`, `test`, and one `signal:<name>` for each signal that all runs have. `resampled:<split>` has
a row a run, NaN where a run has none.
"""

import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaopt.configuration import Configuration
from metaopt.contracts import Array, Curve
from metaopt.errors import InputError, PluginError, named_line
from metaopt.files import replace_file
from metaopt.plugin import CorpusSpec, Registry
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey
from metaopt.tuning.running.evaluator import Evaluator

_SCHEMA = 1
_SIGNAL = "signal:"
_RESAMPLED = "resampled:"


def adopt(evaluator: Evaluator, fingerprints: Collection[str], configurations: Collection[Configuration]) -> None:
    """Write to the ledger what registered corpora ship of some tasks and configurations, marked as shipped.

    Runs that the ledger has stay as they are. A file that cannot be read is announced, and its runs are trained.

    Args:
        evaluator: whose ledger lacks them.
        fingerprints: of the tasks.
        configurations: whose runs are wanted.
    """
    wanted = {configuration.key for configuration in configurations}
    for spec in _with_reference_runs(evaluator.registry) if fingerprints else ():
        try:
            shipped = read(Path(spec.reference_runs or ""), fingerprints)
        except InputError as error:
            evaluator.announce(f"What corpus {spec.name!r} ships is trained instead: {error}")
            continue
        runs = [
            evaluation
            for evaluation in shipped
            if evaluation.key.task_fingerprint in fingerprints and evaluation.key.configuration_key in wanted
        ]
        known = evaluator.ledger.find(evaluation.key for evaluation in runs)
        fresh = [evaluation for evaluation in runs if evaluation.key not in known]
        if fresh:
            evaluator.check()
            evaluator.ledger.add(fresh, shipped_by=spec.name)
            count = len({evaluation.task for evaluation in fresh})
            evaluator.announce(
                f"References of {count} task{'s' if count > 1 else ''} are shipped with corpus {spec.name!r}: "
                f"{len(fresh):,} trainings, {sum(evaluation.seconds for evaluation in fresh):.0f} s when made."
            )


def write(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write reference runs to a file for `CorpusSpec(reference_runs=…)`.

    Args:
        path: of the file, by custom `*.npz`.
        evaluations: at least one; series are rounded to float32.

    Raises:
        InputError: there are no evaluations.
    """
    if not evaluations:
        raise InputError(f"There are no reference runs to write to {str(path)!r}; run the references first.")
    tasks = {
        evaluation.key.task_fingerprint: [evaluation.task, evaluation.family, evaluation.key.task_fingerprint]
        for evaluation in evaluations
    }
    settings = {
        _setting(evaluation): [evaluation.configuration.to_json(), evaluation.key.plugins] for evaluation in evaluations
    }
    index = {"schema": _SCHEMA, "tasks": list(tasks.values()), "configurations": list(settings.values())}
    task_places, setting_places = ({key: place for place, key in enumerate(keys)} for keys in (tasks, settings))
    curves = [evaluation.curve for evaluation in evaluations]
    common = set.intersection(*(set(curve.signals) for curve in curves))
    series = {_SIGNAL + name: [curve.signals[name] for curve in curves] for name in sorted(common)}
    series |= {
        "steps": [curve.steps for curve in curves],
        "values": [curve.values for curve in curves],
        "test": [np.full_like(curve.values, np.nan) if curve.test is None else curve.test for curve in curves],
    }
    columns: dict[str, Any] = {
        "index": np.frombuffer(json.dumps(index, sort_keys=True).encode(), dtype=np.uint8),
        "task": np.asarray(
            [task_places[evaluation.key.task_fingerprint] for evaluation in evaluations], dtype=np.int32
        ),
        "configuration": np.asarray(
            [setting_places[_setting(evaluation)] for evaluation in evaluations], dtype=np.int32
        ),
        "seed": np.asarray([evaluation.key.seed for evaluation in evaluations], dtype=np.int64),
        "horizon": np.asarray([curve.horizon for curve in curves], dtype=np.int64),
        "length": np.asarray([len(curve.values) for curve in curves], dtype=np.int32),
        "tested": np.asarray([curve.test is not None for curve in curves]),
        "seconds": np.asarray([evaluation.seconds for evaluation in evaluations], dtype=np.float32),
        **{name: np.concatenate(parts).astype(np.float32) for name, parts in series.items()},
        **_resampled(curves),
    }
    content = io.BytesIO()
    np.savez_compressed(content, **columns)
    replace_file(path, content.getvalue())


def read(path: Path, fingerprints: Collection[str] | None = None) -> list[Evaluation]:
    """Inverse of `write`.

    Args:
        path: of the file.
        fingerprints: of the tasks that are looked for; a file that has none of them is not read to its end.

    Raises:
        PluginError: the file is missing, damaged or of another schema.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            index = json.loads(archive["index"].tobytes())
            if index["schema"] != _SCHEMA:
                raise ValueError(f"schema {index['schema']!r}, this metaopt reads schema {_SCHEMA}")
            if fingerprints is not None and not any(task[2] in fingerprints for task in index["tasks"]):
                return []
            arrays = {name: archive[name] for name in archive.files if name != "index"}
        return _evaluations(index, arrays)
    except Exception as error:  # zip, zlib, NumPy and JSON each have errors of their own
        raise PluginError(
            f"Shipped references {str(path)!r} cannot be read: {named_line(error)}; "
            "install the corpus again or tell its author."
        ) from error


def _resampled(curves: Sequence[Curve]) -> dict[str, Any]:
    """One column a split, shape (runs, draws)."""
    columns = {}
    for split in sorted({split for curve in curves for split in curve.resampled}):
        draws = max(len(curve.resampled.get(split, ())) for curve in curves)
        rows = np.full((len(curves), draws), np.nan, dtype=np.float32)
        for row, curve in zip(rows, curves, strict=True):
            known = curve.resampled.get(split, ())
            row[: len(known)] = known
        columns[_RESAMPLED + split] = rows
    return columns


def _evaluations(index: Mapping[str, Any], arrays: Mapping[str, Any]) -> list[Evaluation]:
    settings = [(Configuration.from_json(document), plugins) for document, plugins in index["configurations"]]
    ends = np.cumsum(arrays["length"])
    evaluations = []
    for run, end in enumerate(ends):
        name, family, fingerprint = index["tasks"][arrays["task"][run]]
        configuration, plugins = settings[arrays["configuration"][run]]
        evaluations.append(
            Evaluation(
                key=EvaluationKey(configuration.key, plugins, fingerprint, int(arrays["seed"][run])),
                task=name,
                family=family,
                configuration=configuration,
                curve=_curve(arrays, run, slice(end - arrays["length"][run], end)),
                seconds=float(arrays["seconds"][run]),
            )
        )
    return evaluations


def _curve(arrays: Mapping[str, Array], run: int, part: slice) -> Curve:
    return Curve(
        steps=arrays["steps"][part],
        values=arrays["values"][part],
        horizon=int(arrays["horizon"][run]),
        test=arrays["test"][part] if arrays["tested"][run] else None,
        signals={name.removeprefix(_SIGNAL): arrays[name][part] for name in arrays if name.startswith(_SIGNAL)},
        resampled={
            name.removeprefix(_RESAMPLED): rows[run][np.isfinite(rows[run])]
            for name, rows in arrays.items()
            if name.startswith(_RESAMPLED) and np.isfinite(rows[run]).any()
        },
    )


def _setting(evaluation: Evaluation) -> tuple[str, str]:
    return evaluation.key.configuration_key, evaluation.key.plugins


def _with_reference_runs(registry: Registry) -> list[CorpusSpec]:
    specs = registry.specs(CorpusSpec)
    return [spec for spec in specs if spec.reference_runs is not None]
