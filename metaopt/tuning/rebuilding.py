"""A finished study's result once more, from its ledger alone."""

from collections.abc import Callable, Mapping
from typing import Any

from metaopt.configuration import Configuration
from metaopt.errors import InputError, StorageError
from metaopt.plugin import Registry, current_registry
from metaopt.recipe import Recipe
from metaopt.tuning.arguments import plugin_files
from metaopt.tuning.ledger import study_identity as studies
from metaopt.tuning.ledger.database import check_exists
from metaopt.tuning.ledger.schema_two import reading
from metaopt.tuning.result import TuneResult
from metaopt.tuning.tune_corpus import tune


def rebuild(
    storage: str,
    study_name: str = "metaopt",
    *,
    corpus: Any = None,
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
    found = registry or current_registry()
    arguments = dict(_stored(storage, study_name))
    for path in sorted({*arguments.pop("plugin_files")} - {*plugin_files(found)}):
        found.load_file(path)
    stored_corpus = arguments.pop("corpus")
    if corpus is None and stored_corpus is None:
        raise InputError(f"The study {study_name!r} was tuned on tasks made in Python; say where, with --corpus.")
    return tune(
        stored_corpus if corpus is None else corpus,
        storage=storage,
        study_name=study_name,
        baseline=Recipe(configuration=Configuration.from_json(arguments.pop("baseline"))),
        registry=found,
        announce=announce,
        train=False,
        **arguments,
    )


def _stored(storage: str, study_name: str) -> Mapping[str, Any]:
    studies.check_name(study_name)
    check_exists(storage)
    ledger = reading(storage)
    try:
        arguments = ledger.arguments(study_name)
        names = ledger.studies()
    finally:
        ledger.close()
    if arguments is None:
        there = f"it holds {', '.join(map(repr, names))}" if names else "it holds none"
        raise StorageError(f"There is no study {study_name!r} in this storage; {there}.")
    return arguments
