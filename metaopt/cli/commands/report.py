"""`metaopt report`: the page of a study once more, from its ledger alone."""

from pathlib import Path
from typing import Annotated

import typer

from metaopt.cli.options import Corpus, StudyName
from metaopt.cli.output_folder import named, writable
from metaopt.cli.plugin_files import PluginFiles, load_plugin_files
from metaopt.cli.results import DATABASE, print_result, storage_in, write_page
from metaopt.errors import InputError, quoted
from metaopt.files import is_file, is_folder


def report(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The folder of a tune, or its storage's URL.")],
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the page goes.  [default: the folder of the tune]")
    ] = None,
    study_name: StudyName = "metaopt",
    corpus: Corpus = None,
    plugin: PluginFiles = None,
) -> None:
    """Write the report of a study again, without training anything."""
    is_tuned = is_folder(named(study, "STUDY"))
    if out is None and not is_tuned:
        raise InputError("Say where the page goes, with --out DIR.")
    if is_tuned and not is_file(Path(study) / DATABASE):
        raise InputError(
            f"There is no {DATABASE} in {quoted(Path(study))}; give the folder of a tune, or its storage's URL."
        )
    folder = writable(study if out is None else out)
    load_plugin_files(plugin)
    from metaopt.contracts import to_stderr
    from metaopt.tuning import rebuild

    result = rebuild(
        storage_in(Path(study)) if is_tuned else study,
        study_name,
        corpus=corpus,
        announce=to_stderr,
    )
    write_page(result, folder)
    print_result(result, f"Written to {folder}: report.html and its plots.")
