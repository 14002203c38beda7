"""The built-in corpora of metaopt."""

from pathlib import Path

import metaopt
from metaopt_corpora.starter import load_starter


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """The starter corpus."""
    return [
        metaopt.CorpusSpec(
            name="starter",
            version="1",
            load=load_starter,
            reference_runs=Path(__file__).parent / "starter_references.npz",
            summary="small tasks of 8 families that a laptop trains in seconds; needs no download",
        )
    ]
