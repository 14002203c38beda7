"""A finished study's result once more, from its ledger alone."""

from collections.abc import Callable

from metaopt.errors import InputError, StorageError
from metaopt.plugin import Registry, current_registry
from metaopt.tasks import Source
from metaopt.tuning.arguments import StudyArguments, plugin_files
from metaopt.tuning.ledger.schema_two import reading
from metaopt.tuning.ledger.sqlite_file import check_exists
from metaopt.tuning.ledger.study_identity import check_name
from metaopt.tuning.result import TuneResult
from metaopt.tuning.tune_corpus import run_study


def rebuild(
    storage: str,
    study_name: str = "metaopt",
    *,
    corpus: Source | None = None,
    registry: Registry | None = None,
    announce: Callable[[str], None] = lambda line: None,
) -> TuneResult:
    """What `tune` returned for a study, without training anything; what the ledger lacks is left out.

    Args:
        storage: database URL of ledger and study.
        study_name: of the study.
        corpus: what it was tuned on; needed only where that was no name, folder or `"package.module:attribute"`.
        registry: where plugins are; everything installed by default. Plugin files of the study are added.
        announce: called with one line for each part that is left out.

    Raises:
        StorageError: there is no such storage, or no such study in it.
        InputError: the corpus is not known, or the study has not judged a candidate yet.
    """
    plugins = current_registry(registry)
    arguments = _stored_arguments(storage, study_name)
    for path in sorted({*arguments.plugin_files} - {*plugin_files(plugins)}):
        plugins.load_file(path)
    source = arguments.corpus if corpus is None else corpus
    if source is None:
        raise InputError(f"The study {study_name!r} was tuned on tasks made in Python; say where, with --corpus.")
    return run_study(
        source,
        arguments,
        storage=storage,
        study_name=study_name,
        registry=plugins,
        announce=announce,
        train=False,
    )


def _stored_arguments(storage: str, study_name: str) -> StudyArguments:
    check_name(study_name)
    check_exists(storage)
    ledger = reading(storage)
    try:
        document = ledger.arguments(study_name)
        names = ledger.studies()
    finally:
        ledger.close()
    if document is None:
        there = f"it holds {', '.join(map(repr, names))}" if names else "it holds none"
        raise StorageError(f"There is no study {study_name!r} in this storage; {there}.")
    return StudyArguments.from_json(document)
