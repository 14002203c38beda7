"""metaopt: learn once which optimizer, learning-rate controller and stopper work for your family of tasks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metaopt.configuration import Configuration
from metaopt.contracts import (
    BlackBoxTask,
    Controller,
    Corpus,
    Curve,
    CurveBatch,
    Decision,
    Observation,
    Rate,
    Rule,
    Split,
    Splits,
    State,
    StepInfo,
    Stopper,
    Task,
    ThresholdStopper,
    per_tensor,
)
from metaopt.errors import InputError, MetaOptError, PluginError, RecipeError, StorageError
from metaopt.hookspecs import hookimpl
from metaopt.registry import register
from metaopt.space import Categorical, Float, Int, When
from metaopt.specs import (
    ControllerSpec,
    CorpusSpec,
    Native,
    OptimizerSpec,
    PluginSpec,
    StopperSpec,
    WrapperSpec,
)

if TYPE_CHECKING:
    from metaopt.deploy import RuleOptimizer, create_optimizer, create_scheduler, create_stopper
    from metaopt.deploy.stopping import StopperConfiguration
    from metaopt.recipe import Recipe, load_recipe
    from metaopt.tasks import load_corpus
    from metaopt.tuning import Comparison, TuneResult
    from metaopt.tuning.evaluate import evaluate
    from metaopt.tuning.portfolio import Portfolio, load_portfolio
    from metaopt.tuning.tune import tune

__version__ = "0.1.0"

# What users call once is imported when they first name it, so that `import metaopt` stays light.
_LAZY = {
    "RuleOptimizer": "metaopt.deploy",
    "create_optimizer": "metaopt.deploy",
    "create_scheduler": "metaopt.deploy",
    "create_stopper": "metaopt.deploy",
    "StopperConfiguration": "metaopt.deploy.stopping",
    "Recipe": "metaopt.recipe",
    "load_recipe": "metaopt.recipe",
    "load_corpus": "metaopt.tasks",
    "tune": "metaopt.tuning",
    "evaluate": "metaopt.tuning",
    "Comparison": "metaopt.tuning",
    "Portfolio": "metaopt.tuning.portfolio",
    "TuneResult": "metaopt.tuning",
    "load_portfolio": "metaopt.tuning.portfolio",
}

__all__ = [
    "BlackBoxTask",
    "Categorical",
    "Comparison",
    "Configuration",
    "Controller",
    "ControllerSpec",
    "Corpus",
    "CorpusSpec",
    "Curve",
    "CurveBatch",
    "Decision",
    "Float",
    "InputError",
    "Int",
    "MetaOptError",
    "Native",
    "Observation",
    "OptimizerSpec",
    "PluginError",
    "PluginSpec",
    "Portfolio",
    "Rate",
    "Recipe",
    "RecipeError",
    "Rule",
    "RuleOptimizer",
    "Split",
    "Splits",
    "State",
    "StepInfo",
    "Stopper",
    "StopperConfiguration",
    "StopperSpec",
    "StorageError",
    "Task",
    "ThresholdStopper",
    "TuneResult",
    "When",
    "WrapperSpec",
    "create_optimizer",
    "create_scheduler",
    "create_stopper",
    "evaluate",
    "hookimpl",
    "load_corpus",
    "load_portfolio",
    "load_recipe",
    "per_tensor",
    "register",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'metaopt' has no attribute {name!r}")
