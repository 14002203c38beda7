"""The study in Optuna's own tables, beside the ledger, where its dashboard and its visualisations find it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import optuna
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from metaopt.errors import StorageError, named_line
from metaopt.tuning.ledger.database import beside_others, patiently
from metaopt.tuning.ledger.sqlite_file import ChangedFileError, DatabaseFile
from metaopt.tuning.ledger.storage_url import hide_secrets
from metaopt.tuning.search.trial_stand_ins import quietly

#: What each trial of ours carries, and nobody else's does.
_MARK = "configuration"
#: Trials of a study that are read when it goes on: enough to notice tables that somebody changed.
_LAST = 5


class Dashboard:
    """An Optuna study that candidates are written to once their race is over, in their order.

    It is only written: reading all of its trials back would take longer than reading the ledger.
    """

    def __init__(self, name: str, storage: optuna.storages.RDBStorage, file: DatabaseFile, url: str) -> None:
        self._name = name
        self._storage = storage
        self._file = file
        self._url = url

    def publish(self, trial: Callable[[int], optuna.trial.FrozenTrial], count: int) -> None:
        """Write those of the first `count` candidates that are not there yet; `trial` makes one of its number.

        Raises:
            StorageError: it cannot be written.
        """

        def attempt() -> None:
            self._file.check()
            written, _ = _counted(self._storage.engine, self._name)
            # A study keeps every trial that was added to it, so each publication has one of its own.
            study = optuna.load_study(study_name=self._name, storage=self._storage)
            study.add_trials([trial(number) for number in range(written, count)])

        with quietly(), _writing(self._name, self._file, self._url):
            patiently(attempt)


@contextlib.contextmanager
def opened(url: str, name: str, file: DatabaseFile | None = None) -> Iterator[Dashboard]:
    """The study of this name, made if it is not there.

    Args:
        url: of the storage.
        name: of the study.
        file: behind the URL, as it was when the storage was opened; as it is now if left out.

    Raises:
        StorageError: it cannot be opened, or metaopt did not make it.
    """
    file = file or DatabaseFile.of(sa.make_url(url))
    with quietly(), _writing(name, file, url):
        file.check()
        patiently(lambda: beside_others(lambda: _make_tables(url)))
        storage = patiently(lambda: _storage(url, pool_pre_ping=True))
    try:
        with quietly(), _writing(name, file, url):
            patiently(
                lambda: optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
            )
            trials, ours = patiently(lambda: _counted(storage.engine, name))
            patiently(lambda: _read_last(storage, name))
        if trials > ours:
            raise StorageError(
                f"The storage holds an Optuna study {name!r} that metaopt did not make; use another --study-name."
            )
        yield Dashboard(name, storage, file, url)
    finally:
        storage.engine.dispose()


def _counted(engine: sa.Engine, name: str) -> tuple[int, int]:
    """How many trials a study has, and how many of them metaopt wrote."""
    studies, trials, attributes = _tables(engine, "studies", "trials", "trial_user_attributes")
    of_study = trials.c.study_id == sa.select(studies.c.study_id).where(studies.c.study_name == name).scalar_subquery()
    marked = sa.and_(attributes.c.trial_id == trials.c.trial_id, attributes.c.key == _MARK)
    with engine.connect() as connection:
        total = connection.scalar(sa.select(sa.func.count()).select_from(trials).where(of_study))
        ours = connection.scalar(
            sa.select(sa.func.count()).select_from(trials.join(attributes, marked)).where(of_study)
        )
    return int(total or 0), int(ours or 0)


def _read_last(storage: optuna.storages.RDBStorage, name: str) -> None:
    """Read a study's last trials as Optuna does, which fails where the tables were changed."""
    studies, trials = _tables(storage.engine, "studies", "trials")
    query = (
        sa.select(trials.c.trial_id)
        .join(studies, studies.c.study_id == trials.c.study_id)
        .where(studies.c.study_name == name)
        .order_by(trials.c.trial_id.desc())
        .limit(_LAST)
    )
    with storage.engine.connect() as connection:
        last = list(connection.scalars(query))
    for trial in last:
        number = storage.get_trial(trial).number
        if not isinstance(number, int):
            raise TypeError(f"a trial has the number {number!r:.80}")


def _tables(engine: sa.Engine, *names: str) -> list[sa.Table]:
    tables = sa.MetaData()
    return [sa.Table(name, tables, autoload_with=engine) for name in names]


def _make_tables(url: str) -> None:
    """Make what is missing of Optuna's tables; without a pool, where a failure would leave connections open."""
    _keep_names_apart(_storage(url, poolclass=sa.NullPool).engine)


def _storage(url: str, **engine: Any) -> optuna.storages.RDBStorage:
    template = url.replace("{", "{{").replace("}", "}}")  # that is what Optuna takes a URL for
    return optuna.storages.RDBStorage(template, engine_kwargs=engine)


def _keep_names_apart(engine: sa.Engine) -> None:
    """Make the index by which a name is of one study, where a process was killed before Optuna came to it.

    Optuna makes it right after the table, and never where it finds the table.
    """
    studies = sa.Table("studies", sa.MetaData(), autoload_with=engine)
    if not any(index.unique for index in studies.indexes):
        sa.Index("ix_studies_study_name", studies.c.study_name, unique=True).create(engine, checkfirst=True)


@contextlib.contextmanager
def _writing(name: str, file: DatabaseFile, url: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ChangedFileError) as error:
        hide_secrets(error, url)
        raise StorageError(f"The Optuna study {name!r} cannot be written: {file.account(error)}.") from error
    except Exception as error:  # Optuna trusts its tables, and fails in many ways where they were changed
        hide_secrets(error, url)
        raise StorageError(
            f"The Optuna study {name!r} beside the ledger is damaged: {named_line(error)}; it is a copy: drop all of "
            "Optuna's tables, which are then written again from the ledger, or use another storage."
        ) from error
