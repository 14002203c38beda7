"""Tuning: references, races, ledger, comparisons. The only part that knows Optuna."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.tuning.arguments import describe_corpus
    from metaopt.tuning.comparison import RECIPE, Comparison
    from metaopt.tuning.duration import duration
    from metaopt.tuning.evaluate import evaluate
    from metaopt.tuning.few_shot import learned_recipe
    from metaopt.tuning.importance import importances
    from metaopt.tuning.progress import Progress
    from metaopt.tuning.rebuild import rebuild
    from metaopt.tuning.recorded import read_recorded
    from metaopt.tuning.references import POOL_SIZE
    from metaopt.tuning.replay import Replay, Replayed, replay
    from metaopt.tuning.result import TuneResult
    from metaopt.tuning.runs import RunsPortfolio, portfolio_of_runs
    from metaopt.tuning.runs_file import read_runs
    from metaopt.tuning.scores import BEST, WORST
    from metaopt.tuning.statistics import LEAST_FREEDOM, Interval, TrialsWorth, bootstrap
    from metaopt.tuning.stopping import TOLERATED_REGRET, PolicyResult, is_chosen
    from metaopt.tuning.storage_url import sqlite_url
    from metaopt.tuning.tune import tune

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "describe_corpus": "metaopt.tuning.arguments",
    "Comparison": "metaopt.tuning.comparison",
    "RECIPE": "metaopt.tuning.comparison",
    "duration": "metaopt.tuning.duration",
    "evaluate": "metaopt.tuning.evaluate",
    "learned_recipe": "metaopt.tuning.few_shot",
    "importances": "metaopt.tuning.importance",
    "Progress": "metaopt.tuning.progress",
    "rebuild": "metaopt.tuning.rebuild",
    "read_recorded": "metaopt.tuning.recorded",
    "POOL_SIZE": "metaopt.tuning.references",
    "Replay": "metaopt.tuning.replay",
    "Replayed": "metaopt.tuning.replay",
    "replay": "metaopt.tuning.replay",
    "TuneResult": "metaopt.tuning.result",
    "RunsPortfolio": "metaopt.tuning.runs",
    "portfolio_of_runs": "metaopt.tuning.runs",
    "read_runs": "metaopt.tuning.runs_file",
    "BEST": "metaopt.tuning.scores",
    "WORST": "metaopt.tuning.scores",
    "Interval": "metaopt.tuning.statistics",
    "LEAST_FREEDOM": "metaopt.tuning.statistics",
    "TrialsWorth": "metaopt.tuning.statistics",
    "bootstrap": "metaopt.tuning.statistics",
    "PolicyResult": "metaopt.tuning.stopping",
    "TOLERATED_REGRET": "metaopt.tuning.stopping",
    "is_chosen": "metaopt.tuning.stopping",
    "sqlite_url": "metaopt.tuning.storage_url",
    "tune": "metaopt.tuning.tune",
}

__all__ = [
    "BEST",
    "LEAST_FREEDOM",
    "POOL_SIZE",
    "RECIPE",
    "TOLERATED_REGRET",
    "WORST",
    "Comparison",
    "Interval",
    "PolicyResult",
    "Progress",
    "Replay",
    "Replayed",
    "RunsPortfolio",
    "TrialsWorth",
    "TuneResult",
    "bootstrap",
    "describe_corpus",
    "duration",
    "evaluate",
    "importances",
    "is_chosen",
    "learned_recipe",
    "portfolio_of_runs",
    "read_recorded",
    "read_runs",
    "rebuild",
    "replay",
    "sqlite_url",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
