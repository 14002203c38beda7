"""metaopt: learn once which optimizer, learning-rate controller and stopper work for your family of tasks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metaopt.configuration.configuration import Configuration
from metaopt.contracts import (
    BlackBoxTask,
    Controller,
    Corpus,
    Curve,
    CurveBatch,
    Decision,
    Episodes,
    EpisodeSource,
    FewShotTask,
    MetaTraining,
    Observation,
    Partition,
    Policy,
    Rate,
    Rule,
    Split,
    Splits,
    State,
    SteeringRule,
    StepInfo,
    Stopper,
    Task,
    ThresholdStopper,
    WrappedRule,
    per_tensor,
)
from metaopt.errors import InputError, MetaOptError, MissingDataError, PluginError, RecipeError, StorageError
from metaopt.plugin.hookspecs import hookimpl
from metaopt.plugin.kinds import ControllerSpec, CorpusSpec, Native, OptimizerSpec, StopperSpec, WrapperSpec
from metaopt.plugin.registry import register
from metaopt.plugin.spec import PluginSpec
from metaopt.signals.inner_products import cosine, inner_product
from metaopt.space import Categorical, Float, Int, Value, When

if TYPE_CHECKING:
    from metaopt.deploy import RuleOptimizer, create_optimizer, create_scheduler, create_stopper
    from metaopt.deploy.gradient_evidence import MicroBatches, gradient_evidence
    from metaopt.deploy.stopping.configuration import StopperConfiguration
    from metaopt.meta import MetaProgress
    from metaopt.meta.meta_train import meta_train
    from metaopt.recipe import Recipe, load_recipe
    from metaopt.recipe.adapting import Predictor, adapt
    from metaopt.recipe.importing import import_recipe
    from metaopt.tasks import load_corpus
    from metaopt.tasks.images.class_episodes import ClassEpisodes, Classes
    from metaopt.tasks.images.conv4 import Conv4
    from metaopt.tasks.images.corpus import accuracy
    from metaopt.tasks.images.folder import read_image_folder
    from metaopt.tuning import Comparison, TuneResult
    from metaopt.tuning.judging.evaluate import evaluate
    from metaopt.tuning.portfolio import Portfolio, load_portfolio
    from metaopt.tuning.tune import tune

__version__ = "0.1.0"

# What users call once is imported when they first name it, so that `import metaopt` stays light.
_LAZY = {
    "RuleOptimizer": "metaopt.deploy",
    "create_optimizer": "metaopt.deploy",
    "create_scheduler": "metaopt.deploy",
    "create_stopper": "metaopt.deploy",
    "MicroBatches": "metaopt.deploy.gradient_evidence",
    "gradient_evidence": "metaopt.deploy.gradient_evidence",
    "StopperConfiguration": "metaopt.deploy.stopping.configuration",
    "MetaProgress": "metaopt.meta",
    "Recipe": "metaopt.recipe",
    "load_recipe": "metaopt.recipe",
    "import_recipe": "metaopt.recipe.importing",
    "Predictor": "metaopt.recipe.adapting",
    "adapt": "metaopt.recipe.adapting",
    "load_corpus": "metaopt.tasks",
    "ClassEpisodes": "metaopt.tasks.images.class_episodes",
    "Classes": "metaopt.tasks.images.class_episodes",
    "Conv4": "metaopt.tasks.images.conv4",
    "read_image_folder": "metaopt.tasks.images.folder",
    "accuracy": "metaopt.tasks.images.corpus",
    "tune": "metaopt.tuning",
    "evaluate": "metaopt.tuning",
    "Comparison": "metaopt.tuning",
    "Portfolio": "metaopt.tuning.portfolio",
    "TuneResult": "metaopt.tuning",
    "load_portfolio": "metaopt.tuning.portfolio",
    "meta_train": "metaopt.meta.meta_train",
}

__all__ = [
    "BlackBoxTask",
    "Categorical",
    "ClassEpisodes",
    "Classes",
    "Comparison",
    "Configuration",
    "Controller",
    "ControllerSpec",
    "Conv4",
    "Corpus",
    "CorpusSpec",
    "Curve",
    "CurveBatch",
    "Decision",
    "EpisodeSource",
    "Episodes",
    "FewShotTask",
    "Float",
    "InputError",
    "Int",
    "MetaOptError",
    "MetaProgress",
    "MetaTraining",
    "MicroBatches",
    "MissingDataError",
    "Native",
    "Observation",
    "OptimizerSpec",
    "Partition",
    "PluginError",
    "PluginSpec",
    "Policy",
    "Portfolio",
    "Predictor",
    "Rate",
    "Recipe",
    "RecipeError",
    "Rule",
    "RuleOptimizer",
    "Split",
    "Splits",
    "State",
    "SteeringRule",
    "StepInfo",
    "Stopper",
    "StopperConfiguration",
    "StopperSpec",
    "StorageError",
    "Task",
    "ThresholdStopper",
    "TuneResult",
    "Value",
    "When",
    "WrappedRule",
    "WrapperSpec",
    "accuracy",
    "adapt",
    "cosine",
    "create_optimizer",
    "create_scheduler",
    "create_stopper",
    "evaluate",
    "gradient_evidence",
    "hookimpl",
    "import_recipe",
    "inner_product",
    "load_corpus",
    "load_portfolio",
    "load_recipe",
    "meta_train",
    "per_tensor",
    "read_image_folder",
    "register",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'metaopt' has no attribute {name!r}")
