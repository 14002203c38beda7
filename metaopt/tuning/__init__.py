"""Tuning: references, races, ledger, comparisons. The only part that knows Optuna."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.tuning.arguments import describe_corpus
    from metaopt.tuning.judging.comparison import RECIPE, Comparison
    from metaopt.tuning.judging.evaluate import evaluate
    from metaopt.tuning.judging.references import POOL_SIZE
    from metaopt.tuning.judging.scores import BEST, WORST
    from metaopt.tuning.judging.statistics import LEAST_FREEDOM, Interval, TrialsWorth, bootstrap
    from metaopt.tuning.ledger.storage_url import sqlite_url
    from metaopt.tuning.rebuild import rebuild
    from metaopt.tuning.recorded.recorded_tasks import read_recorded
    from metaopt.tuning.recorded.runs import RunsPortfolio, portfolio_of_runs
    from metaopt.tuning.recorded.runs_file import read_runs
    from metaopt.tuning.result import TuneResult
    from metaopt.tuning.running.duration import duration
    from metaopt.tuning.running.few_shot import learned_recipe
    from metaopt.tuning.running.progress import Progress
    from metaopt.tuning.search.importance import importances
    from metaopt.tuning.stopping.replay import Replay, Replayed, replay
    from metaopt.tuning.stopping.stopping import TOLERATED_REGRET, PolicyResult, is_chosen
    from metaopt.tuning.tune import tune

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "describe_corpus": "metaopt.tuning.arguments",
    "Comparison": "metaopt.tuning.judging.comparison",
    "RECIPE": "metaopt.tuning.judging.comparison",
    "duration": "metaopt.tuning.running.duration",
    "evaluate": "metaopt.tuning.judging.evaluate",
    "learned_recipe": "metaopt.tuning.running.few_shot",
    "importances": "metaopt.tuning.search.importance",
    "Progress": "metaopt.tuning.running.progress",
    "rebuild": "metaopt.tuning.rebuild",
    "read_recorded": "metaopt.tuning.recorded.recorded_tasks",
    "POOL_SIZE": "metaopt.tuning.judging.references",
    "Replay": "metaopt.tuning.stopping.replay",
    "Replayed": "metaopt.tuning.stopping.replay",
    "replay": "metaopt.tuning.stopping.replay",
    "TuneResult": "metaopt.tuning.result",
    "RunsPortfolio": "metaopt.tuning.recorded.runs",
    "portfolio_of_runs": "metaopt.tuning.recorded.runs",
    "read_runs": "metaopt.tuning.recorded.runs_file",
    "BEST": "metaopt.tuning.judging.scores",
    "WORST": "metaopt.tuning.judging.scores",
    "Interval": "metaopt.tuning.judging.statistics",
    "LEAST_FREEDOM": "metaopt.tuning.judging.statistics",
    "TrialsWorth": "metaopt.tuning.judging.statistics",
    "bootstrap": "metaopt.tuning.judging.statistics",
    "PolicyResult": "metaopt.tuning.stopping.stopping",
    "TOLERATED_REGRET": "metaopt.tuning.stopping.stopping",
    "is_chosen": "metaopt.tuning.stopping.stopping",
    "sqlite_url": "metaopt.tuning.ledger.storage_url",
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
