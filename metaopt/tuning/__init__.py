"""Tuning: references, races, ledger, comparisons. The only part that knows Optuna."""

from metaopt.tuning.comparison import Comparison
from metaopt.tuning.evaluate import evaluate
from metaopt.tuning.progress import Progress
from metaopt.tuning.rebuild import rebuild
from metaopt.tuning.result import TuneResult
from metaopt.tuning.tune import tune

__all__ = ["Comparison", "Progress", "TuneResult", "evaluate", "rebuild", "tune"]
