"""The built-in stoppers, one file each."""

import metaopt
from metaopt_stoppers.asha import ASHA
from metaopt_stoppers.budget import BUDGET
from metaopt_stoppers.combine import ALL, ANY
from metaopt_stoppers.divergence import DIVERGENCE
from metaopt_stoppers.evidence import EVIDENCE
from metaopt_stoppers.extrapolate import EXTRAPOLATE
from metaopt_stoppers.learned_stopper import LEARNED_STOPPER
from metaopt_stoppers.median import MEDIAN
from metaopt_stoppers.patience import PATIENCE
from metaopt_stoppers.prechelt import PRECHELT
from metaopt_stoppers.stop_signal import STOP_SIGNAL
from metaopt_stoppers.target import TARGET


@metaopt.hookimpl
def metaopt_plugins() -> list[metaopt.PluginSpec]:
    """The stoppers of this package."""
    return [
        PATIENCE,
        PRECHELT,
        DIVERGENCE,
        TARGET,
        BUDGET,
        ANY,
        ALL,
        MEDIAN,
        ASHA,
        LEARNED_STOPPER,
        EXTRAPOLATE,
        EVIDENCE,
        STOP_SIGNAL,
    ]
