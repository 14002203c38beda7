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
from metaopt.plugin import (
    ControllerSpec,
    CorpusSpec,
    Native,
    OptimizerSpec,
    PluginSpec,
    StopperSpec,
    WrapperSpec,
    hookimpl,
    register,
)
from metaopt.signals import cosine, inner_product
from metaopt.space import Categorical, Float, Int, Value, When

if TYPE_CHECKING:
    from metaopt.deploy import (
        MicroBatches,
        RuleOptimizer,
        StopperConfiguration,
        create_optimizer,
        create_scheduler,
        create_stopper,
        gradient_evidence,
    )
    from metaopt.meta import MetaProgress, meta_train
    from metaopt.recipe import Predictor, Recipe, adapt, import_recipe, load_recipe
    from metaopt.tasks import ClassEpisodes, Classes, Conv4, accuracy, load_corpus, read_image_folder
    from metaopt.tuning import Comparison, Portfolio, TuneResult, evaluate, load_portfolio, tune

__version__ = "0.1.0"

# What users call once is imported when they first name it, so that `import metaopt` stays light.
_LAZY = {
    "MicroBatches": "metaopt.deploy",
    "RuleOptimizer": "metaopt.deploy",
    "StopperConfiguration": "metaopt.deploy",
    "create_optimizer": "metaopt.deploy",
    "create_scheduler": "metaopt.deploy",
    "create_stopper": "metaopt.deploy",
    "gradient_evidence": "metaopt.deploy",
    "MetaProgress": "metaopt.meta",
    "meta_train": "metaopt.meta",
    "Predictor": "metaopt.recipe",
    "Recipe": "metaopt.recipe",
    "adapt": "metaopt.recipe",
    "import_recipe": "metaopt.recipe",
    "load_recipe": "metaopt.recipe",
    "ClassEpisodes": "metaopt.tasks",
    "Classes": "metaopt.tasks",
    "Conv4": "metaopt.tasks",
    "accuracy": "metaopt.tasks",
    "load_corpus": "metaopt.tasks",
    "read_image_folder": "metaopt.tasks",
    "Comparison": "metaopt.tuning",
    "Portfolio": "metaopt.tuning",
    "TuneResult": "metaopt.tuning",
    "evaluate": "metaopt.tuning",
    "load_portfolio": "metaopt.tuning",
    "tune": "metaopt.tuning",
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
