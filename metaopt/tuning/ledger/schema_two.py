"""Ledgers of schema 2, whose fingerprints saw less and whose rows carry no checksums: read, never written.

One is copied into memory under the keys of today. Its evaluations are found by the tasks that they were made for, which
the fingerprints of then tell; nothing is trained from them.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
import torch
from torch import Tensor

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, BlackBoxTask, Curve, FewShotTask
from metaopt.errors import MetaOptError
from metaopt.tuning.ledger import tables as ledger_tables
from metaopt.tuning.ledger.database import Database
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey, Proposal, RaceOutcome
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.rows import damaged, json_object, read_rows
from metaopt.tuning.ledger.schema import OldSchemaError
from metaopt.tuning.search.racing import with_budgets

_Made = TypeVar("_Made")

_NEW_COLUMNS = ("checksum", "extras")


def reading(url: str, tasks: Iterable[AnyTask] = ()) -> Ledger:
    """The ledger at a database URL, to be read; of schema 2 a copy of it in memory.

    Args:
        url: an SQLAlchemy URL.
        tasks: what its evaluations are looked up for; those of others keep the fingerprints of then.

    Raises:
        StorageError: it cannot be read; the message says why.
    """
    try:
        return Ledger(url)
    except OldSchemaError:
        return _copy(
            Database(url, lambda engine, url: None),
            {old_fingerprint(task): task.fingerprint for task in with_budgets(tuple(tasks))},
        )


def old_fingerprint(task: AnyTask) -> str:
    """The fingerprint that a task had in schema 2: names, budget, shapes and data, but no code."""
    if isinstance(task, BlackBoxTask):
        version = "1" if task.version is None else task.version
        return _hash((task.name, task.family, task.mode, task.num_steps, version, _name(task.train)))
    shapes = [(name, tuple(value.shape)) for name, value in task.build(0).state_dict().items()]
    names = _name(task.loss), _name(task.metric)
    if isinstance(task, FewShotTask):
        budgets = ("num_steps", "num_iterations", "episodes_per_iteration", "num_validations", "num_evaluated")
        budget: Any = [getattr(task, field) for field in budgets]
        settings = (task.name, task.family, task.mode, task.batch_size, task.batch_norm, budget)
        return _hash((*settings, shapes, *names, task.source.fingerprint))
    budget = (task.name, task.family, task.mode, task.batch_size, task.num_steps, task.num_validations)
    parts = (task.splits.train, task.splits.validation, task.splits.test)
    return _hash((budget, shapes, *names), [tensor for part in parts for tensor in (part.inputs, part.targets)])


def _hash(identity: tuple[Any, ...], tensors: Iterable[Tensor] = ()) -> str:
    digest = hashlib.sha256(repr(identity).encode())
    for tensor in tensors:
        digest.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__)) if function is not None else ""


def _copy(old: Database, fingerprints: Mapping[str, str]) -> Ledger:
    """Everything but drivers, under today's keys, in memory."""
    new = Ledger("sqlite://", folder=old.folder)
    try:
        shipped = {tuple(row)[:4]: str(row.corpus) for row in _rows(old, ledger_tables.shipments)}

        def evaluation(row: Any) -> tuple[str | None, Evaluation]:
            configuration = Configuration.from_json(json_object(row.configuration))
            fingerprint = fingerprints.get(row.task_fingerprint, row.task_fingerprint)
            corpus = shipped.get((row.configuration_key, row.plugins, row.task_fingerprint, row.seed))
            return corpus, Evaluation(
                key=EvaluationKey(configuration.key, row.plugins, fingerprint, row.seed),
                task=row.task,
                family=row.family,
                configuration=configuration,
                curve=Curve.from_json(json_object(row.curve)),
                seconds=float(row.seconds),
            )

        evaluations = _made(old, ledger_tables.evaluations, evaluation)
        for corpus in sorted({corpus for corpus, _ in evaluations}, key=str):
            new.add([evaluation for source, evaluation in evaluations if source == corpus], shipped_by=corpus)
        for study, identity in _made(old, ledger_tables.studies, lambda row: (row.name, json_object(row.identity))):
            tasks = {name: fingerprints.get(known, known) for name, known in identity["tasks"].items()}
            new.claim(study, {**identity, "tasks": tasks})
        for study, proposal in _made(old, ledger_tables.proposals, _proposal):
            new.propose(study, [proposal])
        for study, outcome in _made(old, ledger_tables.outcomes, _outcome):
            new.conclude(study, [outcome])
        for study, arguments in _made(old, ledger_tables.calls, lambda row: (row.study, json_object(row.arguments))):
            new.remember(study, arguments)
    finally:
        old.close()
    return new


def _proposal(row: Any) -> tuple[str, Proposal]:
    configuration = Configuration.from_json(json_object(row.configuration))
    return row.study, Proposal(row.number, row.batch, configuration, json_object(row.params))


def _outcome(row: Any) -> tuple[str, RaceOutcome]:
    rungs = {int(key): value for key, value in json_object(row.rungs).items()}
    return row.study, RaceOutcome(row.number, rungs, bool(row.complete), json_object(row.scores))


def _made(database: Database, table: sa.Table, make: Callable[[Any], _Made]) -> list[_Made]:
    objects = []
    for row in _rows(database, table):
        try:
            objects.append(make(row))
        except (MetaOptError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise damaged(database, table, row) from error
    return objects


def _rows(database: Database, table: sa.Table) -> list[Any]:
    columns = [column for column in table.columns if column.name not in _NEW_COLUMNS]
    return read_rows(database, table, sa.select(*columns).order_by(*table.primary_key.columns))
