"""metaopt: learn once which optimizer, learning-rate controller and stopper work for your family of tasks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.configuration import Configuration, Role
    from metaopt.contracts import (
        BalanceState,
        BlackBoxTask,
        Controller,
        Corpus,
        Curve,
        CurveBatch,
        CurvePoint,
        Decision,
        Episodes,
        EpisodeSource,
        Event,
        FewShotTask,
        GradientLimits,
        Granularity,
        Hparams,
        LabelledSource,
        MetaTraining,
        MultiTask,
        Observation,
        Params,
        Partition,
        Policy,
        Rate,
        RateLaw,
        Rule,
        SharedTrunk,
        Split,
        Splits,
        State,
        SteeringRule,
        StepInfo,
        Stopper,
        SupportSet,
        Task,
        TensorHparams,
        Tensors,
        TensorState,
        Theta,
        ThresholdStopper,
        Watch,
        WrappedRule,
        per_tensor,
        plain_warmup,
        scan,
        warmup_multiplier,
    )
    from metaopt.deploy import (
        MicroBatches,
        RuleOptimizer,
        StopperConfiguration,
        create_optimizer,
        create_scheduler,
        create_stopper,
        gradient_evidence,
    )
    from metaopt.errors import (
        InputError,
        MetaOptError,
        MissingDataError,
        PluginError,
        RankError,
        RecipeError,
        StorageError,
    )
    from metaopt.meta import MetaProgress, meta_train
    from metaopt.parameter_roles import roles
    from metaopt.plugin import (
        ControllerSpec,
        CorpusSpec,
        DeferredOptimizer,
        LearnerSpec,
        Native,
        OptimizerSpec,
        PluginSpec,
        StopperSpec,
        SurgerySpec,
        WeightingSpec,
        WrapperSpec,
        hookimpl,
        optimizer_spec,
        register,
    )
    from metaopt.prediction import FittedPredictor, RecipeClassifier, RecipeRegressor, fit, load_predictor
    from metaopt.recipe import Predictor, Recipe, adapt, import_recipe, load_recipe
    from metaopt.signals import cosine, inner_product
    from metaopt.space import Categorical, Float, Int, Value, When
    from metaopt.tasks import ClassEpisodes, Classes, Conv4, accuracy, load_corpus, read_image_folder
    from metaopt.tracing import lazy_where
    from metaopt.tuning import Comparison, Portfolio, RateSweep, TuneResult, evaluate, load_portfolio, lr_find, tune

__version__ = "0.1.0"

# Each name is imported when it is first used, so that `import metaopt` costs nothing beside torch.
_PLACES = {
    "metaopt.configuration": "Configuration Role",
    "metaopt.contracts": (
        "BalanceState BlackBoxTask Controller Corpus Curve CurveBatch CurvePoint Decision EpisodeSource "
        "Episodes Event FewShotTask GradientLimits Granularity Hparams LabelledSource MetaTraining MultiTask "
        "Observation Params Partition Policy Rate RateLaw Rule SharedTrunk Split Splits State SteeringRule "
        "StepInfo Stopper SupportSet Task TensorHparams TensorState Tensors Theta ThresholdStopper Watch "
        "WrappedRule per_tensor plain_warmup scan warmup_multiplier"
    ),
    "metaopt.deploy": (
        "MicroBatches RuleOptimizer StopperConfiguration create_optimizer create_scheduler create_stopper "
        "gradient_evidence"
    ),
    "metaopt.errors": "InputError MetaOptError MissingDataError PluginError RankError RecipeError StorageError",
    "metaopt.meta": "MetaProgress meta_train",
    "metaopt.parameter_roles": "roles",
    "metaopt.plugin": (
        "ControllerSpec CorpusSpec DeferredOptimizer LearnerSpec Native OptimizerSpec PluginSpec StopperSpec "
        "SurgerySpec WeightingSpec WrapperSpec hookimpl optimizer_spec register"
    ),
    "metaopt.prediction": "FittedPredictor RecipeClassifier RecipeRegressor fit load_predictor",
    "metaopt.recipe": "Predictor Recipe adapt import_recipe load_recipe",
    "metaopt.signals": "cosine inner_product",
    "metaopt.space": "Categorical Float Int Value When",
    "metaopt.tasks": "ClassEpisodes Classes Conv4 accuracy load_corpus read_image_folder",
    "metaopt.tracing": "lazy_where",
    "metaopt.tuning": "Comparison Portfolio RateSweep TuneResult evaluate load_portfolio lr_find tune",
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}
#: Packages that hold the contracts, which are at hand as attributes.
_PACKAGES = {"configuration", "contracts", "errors", "plugin", "signals", "space"}

__all__ = [
    "BalanceState",
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
    "CurvePoint",
    "Decision",
    "DeferredOptimizer",
    "EpisodeSource",
    "Episodes",
    "Event",
    "FewShotTask",
    "FittedPredictor",
    "Float",
    "GradientLimits",
    "Granularity",
    "Hparams",
    "InputError",
    "Int",
    "LabelledSource",
    "LearnerSpec",
    "MetaOptError",
    "MetaProgress",
    "MetaTraining",
    "MicroBatches",
    "MissingDataError",
    "MultiTask",
    "Native",
    "Observation",
    "OptimizerSpec",
    "Params",
    "Partition",
    "PluginError",
    "PluginSpec",
    "Policy",
    "Portfolio",
    "Predictor",
    "RankError",
    "Rate",
    "RateLaw",
    "RateSweep",
    "Recipe",
    "RecipeClassifier",
    "RecipeError",
    "RecipeRegressor",
    "Role",
    "Rule",
    "RuleOptimizer",
    "SharedTrunk",
    "Split",
    "Splits",
    "State",
    "SteeringRule",
    "StepInfo",
    "Stopper",
    "StopperConfiguration",
    "StopperSpec",
    "StorageError",
    "SupportSet",
    "SurgerySpec",
    "Task",
    "TensorHparams",
    "TensorState",
    "Tensors",
    "Theta",
    "ThresholdStopper",
    "TuneResult",
    "Value",
    "Watch",
    "WeightingSpec",
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
    "fit",
    "gradient_evidence",
    "hookimpl",
    "import_recipe",
    "inner_product",
    "lazy_where",
    "load_corpus",
    "load_portfolio",
    "load_predictor",
    "load_recipe",
    "lr_find",
    "meta_train",
    "optimizer_spec",
    "per_tensor",
    "plain_warmup",
    "read_image_folder",
    "register",
    "roles",
    "scan",
    "tune",
    "warmup_multiplier",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"metaopt.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'metaopt' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_PACKAGES, *(name for name in globals() if name.startswith("__"))})
