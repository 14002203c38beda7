"""The ledger: every finished evaluation with its curve, every proposal and its objective, in one database.

It is the truth; the Optuna study beside it is written from it. A row once written is never changed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from metaopt.configuration import Configuration
from metaopt.contracts import Curve
from metaopt.errors import StorageError
from metaopt.tuning import drivers, shipments, studies
from metaopt.tuning.database import Database
from metaopt.tuning.database_faults import DatabaseFile
from metaopt.tuning.entries import Evaluation, EvaluationKey, Outcome, Proposal

SCHEMA = 2
#: Values in one IN clause; every database takes that many.
_MOST_KEYS = 400

_metadata = sa.MetaData()
_info = sa.Table(
    "metaopt_info",
    _metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
_evaluations = sa.Table(
    "metaopt_evaluations",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("configuration_key", sa.String(16), nullable=False),
    sa.Column("plugins", sa.String(256), nullable=False),
    sa.Column("task_fingerprint", sa.String(16), nullable=False, index=True),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("task", sa.String(256), nullable=False),
    sa.Column("family", sa.String(256), nullable=False),
    sa.Column("configuration", sa.Text, nullable=False),
    sa.Column("curve", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("finished_at", sa.String(32), nullable=False),
    sa.UniqueConstraint("configuration_key", "plugins", "task_fingerprint", "seed"),
)
_proposals = sa.Table(
    "metaopt_proposals",
    _metadata,
    sa.Column("study", sa.String(256), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("configuration", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
)
_outcomes = sa.Table(
    "metaopt_outcomes",
    _metadata,
    sa.Column("study", sa.String(256), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("rungs", sa.Text, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("scores", sa.Text, nullable=False),
)


class Ledger:
    """A ledger at a database URL.

    Args:
        url: an SQLAlchemy URL, such as `sqlite:///study.db`.

    Raises:
        StorageError: the URL is malformed, cannot be reached, or holds a ledger of another schema.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, _metadata, drivers.TABLES, shipments.TABLES, studies.TABLES)
        self.url = self._database.url
        try:
            self._check_schema()
        except StorageError:
            self._database.close()
            raise

    @property
    def in_memory(self) -> bool:
        """Whether it is gone when the process ends."""
        return self._database.in_memory

    @property
    def folder(self) -> Path | None:
        """Where what belongs to the ledger but is too large for it lies: beside an SQLite file, else nowhere."""
        return self._database.folder

    @property
    def file(self) -> DatabaseFile:
        """The file of a SQLite database, as it was when it was opened."""
        return self._database.file

    def driving(self, study: str) -> AbstractContextManager[None]:
        """Inside, this process alone drives the study; see `metaopt.tuning.drivers.driving`."""
        return drivers.driving(self._database, study)

    def find(self, keys: Iterable[EvaluationKey]) -> dict[EvaluationKey, Evaluation]:
        """Those of the evaluations that are stored; the cost depends on how many are asked for, not on the ledger."""
        wanted = set(keys)
        found: dict[EvaluationKey, Evaluation] = {}
        for fingerprint in sorted({key.task_fingerprint for key in wanted}):
            names = sorted({key.configuration_key for key in wanted if key.task_fingerprint == fingerprint})
            for begin in range(0, len(names), _MOST_KEYS):
                some = names[begin : begin + _MOST_KEYS]
                query = sa.select(_evaluations).where(
                    _evaluations.c.configuration_key.in_(some), _evaluations.c.task_fingerprint == fingerprint
                )
                for one in (_evaluation(row) for row in self._database.read(query)):
                    if one.key in wanted:
                        found[one.key] = one
        return found

    def evaluations(self, task_fingerprints: Iterable[str] | None = None) -> list[Evaluation]:
        """All evaluations of some tasks, or of all, in the order in which they finished."""
        query = sa.select(_evaluations).order_by(_evaluations.c.id)
        if task_fingerprints is not None:
            query = query.where(_evaluations.c.task_fingerprint.in_(sorted(set(task_fingerprints))))
        return [_evaluation(row) for row in self._database.read(query)]

    def add(self, evaluations: Sequence[Evaluation], *, shipped_by: str | None = None) -> None:
        """Store finished evaluations, all or none; those that are there already stay as they are.

        Args:
            evaluations: what to store.
            shipped_by: the corpus that they came with, if they were not trained here.
        """
        if not evaluations:
            return
        known = self.find(evaluation.key for evaluation in evaluations)
        fresh = [_row(evaluation) for evaluation in evaluations if evaluation.key not in known]
        if fresh and shipped_by is not None:
            keys = [_identity(one.key) for one in evaluations if one.key not in known]
            shipments.mark(self._database, keys, shipped_by)
        if fresh:
            self._database.add(_evaluations, fresh)

    def shipped(self, task_fingerprints: Iterable[str]) -> set[EvaluationKey]:
        """Those evaluations of some tasks that came with a corpus."""
        return {EvaluationKey(*key) for key in shipments.marked(self._database, task_fingerprints)}

    def claim(self, study: str, identity: Mapping[str, Any]) -> None:
        """Begin a study, or continue it if its identity is the same; see `metaopt.tuning.studies.claim`."""
        studies.claim(self._database, study, identity)

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
        """Proposals of a study by number."""
        query = sa.select(_proposals).where(_proposals.c.study == study).order_by(_proposals.c.number)
        return [
            Proposal(
                row.number, row.batch, Configuration.from_json(json.loads(row.configuration)), json.loads(row.params)
            )
            for row in self._database.read(query)
        ]

    def propose(self, study: str, proposals: Sequence[Proposal]) -> None:
        """Store a batch of proposals, all or none."""
        rows = [
            {
                "study": study,
                "number": proposal.number,
                "batch": proposal.batch,
                "configuration": json.dumps(proposal.configuration.to_json(), sort_keys=True),
                "params": json.dumps(dict(proposal.params), sort_keys=True),
            }
            for proposal in proposals
        ]
        self._database.add(_proposals, rows)

    def outcomes(self, study: str) -> list[Outcome]:
        """Outcomes of a study by number."""
        query = sa.select(_outcomes).where(_outcomes.c.study == study).order_by(_outcomes.c.number)
        return [
            Outcome(
                row.number,
                {int(key): value for key, value in json.loads(row.rungs).items()},
                bool(row.complete),
                json.loads(row.scores),
            )
            for row in self._database.read(query)
        ]

    def conclude(self, study: str, outcomes: Sequence[Outcome]) -> None:
        """Store the outcomes of a heat, all or none."""
        rows = [
            {
                "study": study,
                "number": outcome.number,
                "rungs": json.dumps({str(key): value for key, value in outcome.rungs.items()}),
                "complete": outcome.complete,
                "scores": json.dumps(dict(outcome.scores)),
            }
            for outcome in outcomes
        ]
        self._database.add(_outcomes, rows)

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def _check_schema(self) -> None:
        rows = self._database.read(sa.select(_info.c.value).where(_info.c.key == "schema"))
        if not rows:
            self._database.add(_info, [{"key": "schema", "value": str(SCHEMA)}])
        elif rows[0].value != str(SCHEMA):
            raise StorageError(
                f"The ledger in {self._database.shown} has schema {rows[0].value}, this metaopt writes "
                f"schema {SCHEMA}; use the metaopt that made it, or another storage."
            )


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
    }


def _evaluation(row: Any) -> Evaluation:
    return Evaluation(
        key=EvaluationKey(row.configuration_key, row.plugins, row.task_fingerprint, row.seed),
        task=row.task,
        family=row.family,
        configuration=Configuration.from_json(json.loads(row.configuration)),
        curve=Curve.from_json(json.loads(row.curve)),
        seconds=row.seconds,
    )
