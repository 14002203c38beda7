"""From a tuned recipe to predictions: models trained on all rows, images or texts, saved, loaded, put to use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.prediction.estimators import RecipeClassifier, RecipeRegressor
    from metaopt.prediction.fitting import fit
    from metaopt.prediction.loading import load_predictor
    from metaopt.prediction.predictor import FitRecord, FittedPredictor
    from metaopt.prediction.storage import is_predictor

# Imported when it is first named: who loads a predictor needs no scikit-learn.
_MODULES = {
    "RecipeClassifier": "metaopt.prediction.estimators",
    "RecipeRegressor": "metaopt.prediction.estimators",
    "fit": "metaopt.prediction.fitting",
    "load_predictor": "metaopt.prediction.loading",
    "FitRecord": "metaopt.prediction.predictor",
    "FittedPredictor": "metaopt.prediction.predictor",
    "is_predictor": "metaopt.prediction.storage",
}

__all__ = [
    "FitRecord",
    "FittedPredictor",
    "RecipeClassifier",
    "RecipeRegressor",
    "fit",
    "is_predictor",
    "load_predictor",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
