"""A development ladder: families of models at several sizes, batches, horizons, vocabularies and contexts.

    metaopt tune benchmarks.corpora.ladder:corpus --out out/ladder
    python -m benchmarks.corpora.ladder [--data ../shared/data] [--members 4]  # what it holds and what it costs

A family is one architecture on one data set. Around its middle one axis is varied at a time, so that an intercept for
each family and a slope for each axis can be fitted; a task's name says axis and factor: `gpt_width_4` has four times
the width of `gpt_middle`. Rows that are reserved for judging (`benchmarks.corpora.judging_rows`) are not read. The data
and their licences are those of `benchmarks.corpora.development_corpus`.
"""

from pathlib import Path

import metaopt
from benchmarks.corpora.development_corpus import DATA
from benchmarks.corpora.ladder import classifiers, generative, perceptrons, recommender, recurrent, transformers
from benchmarks.corpora.ladder.family import AXES, Family, axis_of

__all__ = ["AXES", "axis_of", "corpus", "families", "ladder"]


def corpus() -> metaopt.Corpus:
    """The ladder over the data beside the checkout."""
    return ladder(DATA)


def ladder(data: str | Path) -> metaopt.Corpus:
    """The ladder over `data`; images, texts and tables are read when first needed.

    Args:
        data: the folder that holds `tinyshakespeare/`, `wikitext2/`, `mnist_t10k/`, `omniglot/` and `tabular/`.
    """
    return metaopt.Corpus("ladder", tuple(task for family in families(Path(data)) for task in family.tasks()))


def families(folder: Path) -> list[Family]:
    """Every family."""
    return [
        *transformers.families(folder),
        *recurrent.families(folder),
        *classifiers.families(folder),
        *perceptrons.families(folder),
        *generative.families(folder),
        *recommender.families(),
    ]
