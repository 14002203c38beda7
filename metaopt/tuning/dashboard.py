"""The study in Optuna's own tables, beside the ledger, where its dashboard and its visualisations find it."""

import contextlib
from collections.abc import Callable, Iterator

import optuna
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from metaopt.errors import StorageError, first_line
from metaopt.tuning.database import patiently
from metaopt.tuning.quiet import quietly


class Dashboard:
    """An Optuna study that candidates are written to once their race is over, in their order."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def publish(self, trial: Callable[[int], optuna.trial.FrozenTrial], count: int) -> None:
        """Write those of the first `count` candidates that are not there yet; `trial` makes one of its number.

        Raises:
            StorageError: it cannot be written.
        """

        def attempt() -> None:
            written = len(self._study.get_trials(deepcopy=False))
            self._study.add_trials([trial(number) for number in range(written, count)])

        with _writing(self._study.study_name):
            patiently(attempt)


@contextlib.contextmanager
def opened(url: str, name: str) -> Iterator[Dashboard]:
    """The study of this name, made if it is not there.

    Raises:
        StorageError: it cannot be opened, or somebody else made it.
    """
    with quietly(), _writing(name):
        storage = patiently(lambda: optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))
        patiently(lambda: _keep_names_apart(storage.engine))
    try:
        with quietly(), _writing(name):
            study = patiently(
                lambda: optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
            )
            trials = patiently(lambda: study.get_trials(deepcopy=False))
        if any("configuration" not in trial.user_attrs for trial in trials):
            raise StorageError(
                f"The storage holds an Optuna study {name!r} that metaopt did not make; use another --study-name."
            )
        yield Dashboard(study)
    finally:
        storage.engine.dispose()


def _keep_names_apart(engine: sa.Engine) -> None:
    """Make the index by which a name is of one study, where a process was killed before Optuna came to it.

    Optuna makes it right after the table, and never where it finds the table.
    """
    studies = sa.Table("studies", sa.MetaData(), autoload_with=engine)
    if not any(index.unique for index in studies.indexes):
        sa.Index("ix_studies_study_name", studies.c.study_name, unique=True).create(engine, checkfirst=True)


@contextlib.contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        raise StorageError(
            f"The Optuna study {name!r} cannot be written: {first_line(error)}; the ledger beside it is intact."
        ) from error
