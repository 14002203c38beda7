"""Fitted estimators on the disk: a predictor, and beside it what scikit-learn's interface adds."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from metaopt.errors import InputError, quoted
from metaopt.prediction.loading import load_predictor
from metaopt.prediction.storage import damaged, read_predictor, save_predictor
from metaopt.recipe import Recipe, load_recipe

_Estimator = TypeVar("_Estimator")

_RECIPE = "recipe"


def save_estimator(estimator: Any, folder: str | Path) -> None:
    """Write a fitted estimator.

    Raises:
        InputError: it cannot be made again, or the folder cannot be written.
    """
    predictor = estimator.predictor_
    predictor.check_known()
    params = estimator.get_params(deep=False)
    own = params.pop("recipe")
    classes = getattr(estimator, "classes_", None)
    document = {
        "kind": type(estimator).__name__,
        "params": {name: _plain(value) for name, value in params.items()},
        "recipe": None if isinstance(own, Recipe) else str(own),
        "classes": None if classes is None else [classes.tolist(), classes.dtype.str],
        "num_features": int(estimator.n_features_in_),
        "feature_names": list(getattr(estimator, "feature_names_in_", ())),
    }
    save_predictor({**predictor.document(), "estimator": document}, predictor.model, folder)
    if isinstance(own, Recipe):
        own.save(Path(folder) / _RECIPE)


def load_estimator(kind: type[_Estimator], folder: str | Path) -> _Estimator:
    """Read what `save_estimator` wrote.

    Raises:
        InputError: there is none, it is damaged, or that of another kind.
    """
    document, _ = read_predictor(folder)
    said = document.get("estimator")
    if not isinstance(said, dict) or said.get("kind") != kind.__name__:
        what = "a predictor alone" if said is None else f"a {said.get('kind') if isinstance(said, dict) else said}"
        raise InputError(f"{quoted(folder)} holds {what}, and no {kind.__name__}; metaopt.load_predictor reads it.")
    try:
        own = said["recipe"]
        recipe = load_recipe(Path(folder) / _RECIPE) if own is None else own
        params = {name: tuple(value) if isinstance(value, list) else value for name, value in said["params"].items()}
        estimator: Any = kind(recipe=recipe, **params)  # type: ignore[call-arg]
        if said["classes"] is not None:
            labels, dtype = said["classes"]
            estimator.classes_ = np.array(labels, dtype=np.dtype(dtype))
        estimator.n_features_in_ = said["num_features"]
        if said["feature_names"]:
            estimator.feature_names_in_ = np.array(said["feature_names"], dtype=object)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise damaged(Path(folder), error) from error
    estimator.predictor_ = load_predictor(folder)
    estimator.num_steps_ = estimator.predictor_.record.num_steps
    made: _Estimator = estimator
    return made


def _plain(value: Any) -> Any:
    """A parameter as JSON has it: seeds of other kinds than numbers are forgotten, for nothing is drawn any more."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else None
