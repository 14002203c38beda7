"""Tuning: references, races, ledger, comparisons. The only part that knows Optuna."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.recipe import POOL_SIZE, Interval, TrialsWorth
    from metaopt.tuning.judging.comparison import RECIPE, Comparison
    from metaopt.tuning.judging.evaluate import evaluate
    from metaopt.tuning.judging.scaled import UNSCALED
    from metaopt.tuning.judging.scores import BEST, WORST
    from metaopt.tuning.judging.statistics import LEAST_FREEDOM, bootstrap
    from metaopt.tuning.judging.verdict import Verdict, verdict_on
    from metaopt.tuning.ledger.sqlite_file import sqlite_url
    from metaopt.tuning.portfolio import Portfolio, load_portfolio
    from metaopt.tuning.rate_sweep.in_loop import lr_find
    from metaopt.tuning.rate_sweep.on_task import sweep_task
    from metaopt.tuning.rate_sweep.sweep import RateSweep
    from metaopt.tuning.rebuilding import rebuild
    from metaopt.tuning.recorded.recorded_tasks import read_recorded
    from metaopt.tuning.recorded.runs import RunsPortfolio, portfolio_of_runs
    from metaopt.tuning.recorded.runs_file import read_runs
    from metaopt.tuning.result import TuneResult
    from metaopt.tuning.running.carried_plugins import plugin_files_by_value
    from metaopt.tuning.running.progress import Progress, duration
    from metaopt.tuning.search.baselines import AT_ITS_DEFAULTS
    from metaopt.tuning.search.importance import importances
    from metaopt.tuning.stopping.replay import Replay, Replayed, replay
    from metaopt.tuning.stopping.stopping import TOLERATED_REGRET, PolicyResult, is_chosen
    from metaopt.tuning.tune_corpus import tune

# Imported when it is first named, so that what needs one of them does not load them all.
_MODULES = {
    "Comparison": "metaopt.tuning.judging.comparison",
    "RECIPE": "metaopt.tuning.judging.comparison",
    "evaluate": "metaopt.tuning.judging.evaluate",
    "POOL_SIZE": "metaopt.recipe",
    "BEST": "metaopt.tuning.judging.scores",
    "UNSCALED": "metaopt.tuning.judging.scaled",
    "WORST": "metaopt.tuning.judging.scores",
    "Interval": "metaopt.recipe",
    "LEAST_FREEDOM": "metaopt.tuning.judging.statistics",
    "TrialsWorth": "metaopt.recipe",
    "bootstrap": "metaopt.tuning.judging.statistics",
    "Verdict": "metaopt.tuning.judging.verdict",
    "verdict_on": "metaopt.tuning.judging.verdict",
    "sqlite_url": "metaopt.tuning.ledger.sqlite_file",
    "Portfolio": "metaopt.tuning.portfolio",
    "load_portfolio": "metaopt.tuning.portfolio",
    "lr_find": "metaopt.tuning.rate_sweep.in_loop",
    "sweep_task": "metaopt.tuning.rate_sweep.on_task",
    "RateSweep": "metaopt.tuning.rate_sweep.sweep",
    "rebuild": "metaopt.tuning.rebuilding",
    "read_recorded": "metaopt.tuning.recorded.recorded_tasks",
    "RunsPortfolio": "metaopt.tuning.recorded.runs",
    "portfolio_of_runs": "metaopt.tuning.recorded.runs",
    "read_runs": "metaopt.tuning.recorded.runs_file",
    "TuneResult": "metaopt.tuning.result",
    "duration": "metaopt.tuning.running.progress",
    "plugin_files_by_value": "metaopt.tuning.running.carried_plugins",
    "Progress": "metaopt.tuning.running.progress",
    "AT_ITS_DEFAULTS": "metaopt.tuning.search.baselines",
    "importances": "metaopt.tuning.search.importance",
    "Replay": "metaopt.tuning.stopping.replay",
    "Replayed": "metaopt.tuning.stopping.replay",
    "replay": "metaopt.tuning.stopping.replay",
    "PolicyResult": "metaopt.tuning.stopping.stopping",
    "TOLERATED_REGRET": "metaopt.tuning.stopping.stopping",
    "is_chosen": "metaopt.tuning.stopping.stopping",
    "tune": "metaopt.tuning.tune_corpus",
}

__all__ = [
    "AT_ITS_DEFAULTS",
    "BEST",
    "LEAST_FREEDOM",
    "POOL_SIZE",
    "RECIPE",
    "TOLERATED_REGRET",
    "UNSCALED",
    "WORST",
    "Comparison",
    "Interval",
    "PolicyResult",
    "Portfolio",
    "Progress",
    "RateSweep",
    "Replay",
    "Replayed",
    "RunsPortfolio",
    "TrialsWorth",
    "TuneResult",
    "Verdict",
    "bootstrap",
    "duration",
    "evaluate",
    "importances",
    "is_chosen",
    "load_portfolio",
    "lr_find",
    "plugin_files_by_value",
    "portfolio_of_runs",
    "read_recorded",
    "read_runs",
    "rebuild",
    "replay",
    "sqlite_url",
    "sweep_task",
    "tune",
    "verdict_on",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
