"""The starter corpus: small tasks of many kinds, and a small ladder, from scikit-learn's data and from formulas.

When to use it: to see what tuning gives before your own family is written down, and to compare plugins: its references
ship, so that they are not trained again.
"""

import metaopt


def load_starter() -> metaopt.Corpus:
    """Every family's tasks; their data are made when first needed, the same on every machine."""
    from metaopt_corpora import (
        clustering,
        digits,
        ladder,
        quadratics,
        regression,
        sequences,
        sinusoids,
        small_tables,
        spirals,
    )
    from metaopt_corpora._shared.networks import with_width

    families = (
        digits.tasks(),
        small_tables.tasks(),
        regression.tasks(),
        quadratics.tasks(),
        spirals.tasks(),
        sinusoids.tasks(),
        sequences.tasks(),
        clustering.tasks(),
        ladder.tasks(),
    )
    return metaopt.Corpus("starter", tuple(with_width(task) for family in families for task in family))
