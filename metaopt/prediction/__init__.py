"""From a tuned recipe to predictions: models of tables trained on all their rows, saved, loaded, put to use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaopt.prediction.estimators import RecipeClassifier, RecipeRegressor
    from metaopt.prediction.loading import load_predictor
    from metaopt.prediction.predictor import FitRecord, TablePredictor
    from metaopt.prediction.storage import is_predictor
    from metaopt.prediction.table_fit import fit

# Imported when it is first named: who loads a predictor needs no scikit-learn.
_MODULES = {
    "RecipeClassifier": "metaopt.prediction.estimators",
    "RecipeRegressor": "metaopt.prediction.estimators",
    "fit": "metaopt.prediction.table_fit",
    "load_predictor": "metaopt.prediction.loading",
    "FitRecord": "metaopt.prediction.predictor",
    "TablePredictor": "metaopt.prediction.predictor",
    "is_predictor": "metaopt.prediction.storage",
}

__all__ = [
    "FitRecord",
    "RecipeClassifier",
    "RecipeRegressor",
    "TablePredictor",
    "fit",
    "is_predictor",
    "load_predictor",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
