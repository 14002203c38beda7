"""Tuning: references, races, ledger, comparisons. The only part that knows Optuna."""

from metaopt.tuning.comparison import Comparison
from metaopt.tuning.evaluate import evaluate
from metaopt.tuning.result import TuneResult
from metaopt.tuning.tune import tune

__all__ = ["Comparison", "TuneResult", "evaluate", "tune"]
