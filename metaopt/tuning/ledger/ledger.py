"""The ledger: every finished evaluation with its curve, every proposal and its objective, in one database.

It is the truth; the Optuna study beside it is written from it. A row once written is never changed.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from metaopt.configuration import Configuration
from metaopt.contracts import Curve
from metaopt.tuning.ledger import study_identity as studies
from metaopt.tuning.ledger import study_lock as drivers
from metaopt.tuning.ledger.database import Database
from metaopt.tuning.ledger.evaluations import Evaluation, EvaluationKey, Proposal, RaceOutcome, StoredEvaluation
from metaopt.tuning.ledger.rows import json_object, made, missing, read_sealed, sealed
from metaopt.tuning.ledger.schema import prepare
from metaopt.tuning.ledger.sqlite_file import DatabaseFile
from metaopt.tuning.ledger.tables import evaluations, outcomes, proposals, shipments

#: Values in one IN clause; every database takes that many.
_MOST_KEYS = 400


class Ledger:
    """A ledger at a database URL.

    Args:
        url: an SQLAlchemy URL, such as `sqlite:///study.db`.
        folder: where what belongs to it but is too large for it lies; beside the file of an SQLite database if left
            out.

    Raises:
        StorageError: the URL is malformed, cannot be reached, or holds a ledger of another schema or one that lacks a
            table. Whatever reads it: a row is not what was written; the message names table and row.
    """

    def __init__(self, url: str, folder: Path | None = None) -> None:
        self._database = Database(url, prepare)
        self._folder = folder
        self.url = self._database.url

    @property
    def in_memory(self) -> bool:
        """Whether it is gone when the process ends."""
        return self._database.in_memory

    @property
    def folder(self) -> Path | None:
        """Where what belongs to the ledger but is too large for it lies: beside an SQLite file, else nowhere."""
        return self._folder or self._database.folder

    @property
    def file(self) -> DatabaseFile:
        """The file of a SQLite database, as it was when it was opened."""
        return self._database.file

    def driving(self, study: str) -> AbstractContextManager[None]:
        """Inside, this process alone drives the study; see `metaopt.tuning.ledger.study_lock.driving`."""
        return nullcontext() if self.in_memory else drivers.driving(self._database, study)

    def find(self, keys: Iterable[EvaluationKey]) -> dict[EvaluationKey, Evaluation]:
        """The stored ones among these evaluations; the cost depends on their number, not on the size of the ledger."""
        wanted = set(keys)
        by_task: dict[str, list[tuple[str, str]]] = {}
        for key in sorted(wanted, key=_identity):
            by_task.setdefault(key.task_fingerprint, []).append((key.configuration_key, key.plugins))
        stored: dict[EvaluationKey, Evaluation] = {}
        for fingerprint, of_task in sorted(by_task.items()):
            for begin in range(0, len(of_task), _MOST_KEYS):
                names, plugins = (
                    sorted(set(column)) for column in zip(*of_task[begin : begin + _MOST_KEYS], strict=True)
                )
                # Plugins too, or SQLite looks through all evaluations of the task instead of the key's own index.
                query = sa.select(evaluations).where(
                    evaluations.c.configuration_key.in_(names),
                    evaluations.c.plugins.in_(plugins),
                    evaluations.c.task_fingerprint == fingerprint,
                )
                for evaluation in read_sealed(self._database, evaluations, query, partial(_evaluation, self._database)):
                    if evaluation.key in wanted:
                        stored[evaluation.key] = evaluation
        return stored

    def evaluations(self, task_fingerprints: Iterable[str] | None = None) -> list[Evaluation]:
        """All evaluations of some tasks, or of all, in the order in which they finished."""
        query = sa.select(evaluations).order_by(evaluations.c.id)
        if task_fingerprints is not None:
            query = query.where(evaluations.c.task_fingerprint.in_(sorted(set(task_fingerprints))))
        return read_sealed(self._database, evaluations, query, partial(_evaluation, self._database))

    def add(self, finished: Sequence[Evaluation], *, shipped_by: str | None = None) -> None:
        """Store finished evaluations, all or none; those that are there already stay as they are.

        Args:
            finished: what to store.
            shipped_by: the corpus that they came with, if they were not trained here.
        """
        if not finished:
            return
        known = self.find(evaluation.key for evaluation in finished)
        fresh = [_row(evaluation) for evaluation in finished if evaluation.key not in known]
        if fresh and shipped_by is not None:
            keys = [_identity(evaluation.key) for evaluation in finished if evaluation.key not in known]
            _mark_shipped(self._database, keys, shipped_by)
        if fresh:
            self._database.add(evaluations, [sealed(evaluations, row) for row in fresh])

    def shipped(self, task_fingerprints: Iterable[str]) -> set[EvaluationKey]:
        """Evaluations of these tasks that came with a corpus."""
        return {EvaluationKey(*key) for key in _shipped(self._database, task_fingerprints)}

    def claim(self, study: str, identity: Mapping[str, Any], *, unless: Collection[str] = ()) -> None:
        """Begin a study, or continue it if its identity is the same; see `study_identity.claim`."""
        studies.claim(self._database, study, identity, unless=unless)

    def begun_with(self, study: str) -> dict[str, Any] | None:
        """The identity that `claim` began a study with, or None."""
        return studies.begun_with(self._database, study)

    def remember(self, study: str, arguments: Mapping[str, Any]) -> None:
        """Keep the arguments that a study was last called with, so that its result can be made again."""
        studies.remember(self._database, study, arguments)

    def arguments(self, study: str, *, first: bool = False) -> dict[str, Any] | None:
        """What `remember` kept last, or first, or None."""
        return studies.arguments_of(self._database, study, first=first)

    def studies(self) -> list[str]:
        """Names of the studies whose arguments are kept."""
        return studies.names(self._database)

    def proposals(self, study: str) -> list[Proposal]:
        """Proposals of a study by number, from 0 on without a gap."""
        query = sa.select(proposals).where(proposals.c.study == study).order_by(proposals.c.number)
        stored = read_sealed(self._database, proposals, query, _proposal)
        for number, proposal in enumerate(stored):
            if proposal.number != number:
                raise missing(self._database, proposals, f"study={study!r}, number={number}")
        return stored

    def propose(self, study: str, batch: Sequence[Proposal]) -> None:
        """Store a batch of proposals, all or none."""
        rows = [
            {
                "study": study,
                "number": proposal.number,
                "batch": proposal.batch,
                "configuration": json.dumps(proposal.configuration.to_json(), sort_keys=True),
                "params": json.dumps(dict(proposal.params), sort_keys=True),
            }
            for proposal in batch
        ]
        self._database.add(proposals, [sealed(proposals, row) for row in rows])

    def outcomes(self, study: str) -> list[RaceOutcome]:
        """Outcomes of a study by number."""
        query = sa.select(outcomes).where(outcomes.c.study == study).order_by(outcomes.c.number)
        stored = read_sealed(self._database, outcomes, query, _outcome)
        last = sa.select(sa.func.max(proposals.c.number).label("number")).where(proposals.c.study == study)
        known = self._database.read(last)[0].number
        if stored and (known is None or stored[-1].number > known):
            raise missing(self._database, proposals, f"study={study!r}, number={stored[-1].number}")
        return stored

    def conclude(self, study: str, heat: Sequence[RaceOutcome]) -> None:
        """Store the outcomes of a heat, all or none."""
        rows = [
            {
                "study": study,
                "number": outcome.number,
                "rungs": json.dumps({str(key): value for key, value in outcome.rungs.items()}),
                "complete": outcome.complete,
                "scores": json.dumps(dict(outcome.scores)),
            }
            for outcome in heat
        ]
        self._database.add(outcomes, [sealed(outcomes, row) for row in rows])

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()


def _identity(key: EvaluationKey) -> tuple[str, str, str, int]:
    return key.configuration_key, key.plugins, key.task_fingerprint, key.seed


def _row(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "configuration_key": evaluation.key.configuration_key,
        "plugins": evaluation.key.plugins,
        "task_fingerprint": evaluation.key.task_fingerprint,
        "seed": evaluation.key.seed,
        "task": evaluation.task,
        "family": evaluation.family,
        "configuration": json.dumps(evaluation.configuration.to_json(), sort_keys=True),
        "curve": json.dumps(evaluation.curve.to_json()),
        "seconds": evaluation.seconds,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "extras": json.dumps(dict(evaluation.extras), sort_keys=True),
    }


def _evaluation(database: Database, row: Any) -> Evaluation:
    return StoredEvaluation(
        key=EvaluationKey(row.configuration_key, row.plugins, row.task_fingerprint, row.seed),
        task=row.task,
        family=row.family,
        configuration=_configuration(row.configuration),
        curve=partial(made, database, evaluations, row, _curve),  # type: ignore[arg-type]
        seconds=row.seconds,
        extras=json_object(row.extras),
    )


def _curve(row: Any) -> Curve:
    return Curve.from_json(json_object(row.curve))


def _proposal(row: Any) -> Proposal:
    return Proposal(row.number, row.batch, _configuration(row.configuration), json_object(row.params))


@lru_cache(maxsize=50_000)
def _configuration(text: str) -> Configuration:
    """The configuration in a cell: a candidate's stands in its proposal and in each of its evaluations."""
    return Configuration.from_json(json_object(text))


def _outcome(row: Any) -> RaceOutcome:
    rungs = {int(key): value for key, value in json_object(row.rungs).items()}
    return RaceOutcome(row.number, rungs, bool(row.complete), json_object(row.scores))


#: What identifies an evaluation: configuration key, plugins, task fingerprint, seed.
_KEY = ("configuration_key", "plugins", "task_fingerprint", "seed")


def _mark_shipped(database: Database, keys: Iterable[tuple[Any, ...]], corpus: str) -> None:
    """Write down that these evaluations came with a corpus; those that are known stay as they are."""
    wanted = set(keys)
    fresh = sorted(wanted - _shipped(database, {key[2] for key in wanted}))
    rows: list[dict[str, Any]] = [{**dict(zip(_KEY, key, strict=True)), "corpus": corpus} for key in fresh]
    if rows:
        database.add(shipments, [sealed(shipments, row) for row in rows])


def _shipped(database: Database, task_fingerprints: Iterable[str]) -> set[tuple[Any, ...]]:
    """Keys of the evaluations of these tasks that came with a corpus."""
    query = sa.select(shipments).where(shipments.c.task_fingerprint.in_(sorted(set(task_fingerprints))))
    return set(read_sealed(database, shipments, query, lambda row: tuple(getattr(row, name) for name in _KEY)))
