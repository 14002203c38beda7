"""The built-in corpora of metaopt."""

from pathlib import Path

import metaopt
from metaopt_corpora.omniglot import load_omniglot
from metaopt_corpora.sinusoid_episodes import load_sinusoids
from metaopt_corpora.starter import load_starter


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """The starter corpus, and episodes."""
    return [
        metaopt.CorpusSpec(
            name="omniglot",
            version="1",
            load=load_omniglot,
            summary="5-way 1-shot episodes of handwritten characters, from the folder METAOPT_OMNIGLOT",
        ),
        metaopt.CorpusSpec(
            name="sinusoids",
            version="1",
            load=load_sinusoids,
            summary="waves to be fitted from 5 or 10 points; few-shot tasks for learned rules",
        ),
        metaopt.CorpusSpec(
            name="starter",
            version="1",
            load=load_starter,
            reference_runs=Path(__file__).parent / "starter_references.npz",
            summary="small tasks of 8 families that a laptop trains in seconds; needs no download",
        ),
    ]
