"""scikit-learn's interface: `RecipeClassifier` and `RecipeRegressor`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
from torch import Tensor, nn

from metaopt.errors import InputError, check_positive, quoted
from metaopt.prediction.array_rows import ArrayRows, budget_for
from metaopt.prediction.fitting import Fitter
from metaopt.prediction.predictor import FittedPredictor
from metaopt.prediction.saved_estimator import load_estimator, save_estimator
from metaopt.prediction.table_rows import TableRows
from metaopt.recipe import Recipe, as_recipe
from metaopt.tasks import METRICS, RowReader, TableSettings

_Model = Callable[[int, int], nn.Module] | str | None


class _RecipeEstimator(BaseEstimator):  # type: ignore[misc]
    """What both have in common; see `RecipeClassifier`."""

    _kind: ClassVar[str]

    def __init__(
        self,
        recipe: Recipe | str | Path = "default",
        *,
        model: _Model = None,
        num_steps: int | None = None,
        batch_size: int = 64,
        metric: str | None = None,
        validation_fraction: float = 0.2,
        all_rows: bool = True,
        drop: Sequence[str] = (),
        categories: Sequence[str] = (),
        random_state: Any = None,
    ) -> None:
        self.recipe = recipe
        self.model = model
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.metric = metric
        self.validation_fraction = validation_fraction
        self.all_rows = all_rows
        self.drop = drop
        self.categories = categories
        self.random_state = random_state

    def save(self, folder: str | Path) -> None:
        """Write the fitted estimator: `predictor.json` and weights, which `metaopt.load_predictor` reads as well.

        Raises:
            InputError: its model is a function without a name to find it by, or the folder cannot be written.
        """
        check_is_fitted(self)
        save_estimator(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: there is none, or it is that of another estimator.
        """
        estimator: Self = load_estimator(cls, folder)
        return estimator

    def _settings(self, class_weights: Any = None) -> TableSettings:
        self._check_numbers()
        if self.metric is not None and self.metric not in METRICS:
            raise InputError(f"metric must be one of {', '.join(METRICS)}, got {quoted(self.metric)}.")
        return TableSettings(
            task=self._kind,  # type: ignore[arg-type]
            model=self.model if isinstance(self.model, str) else None,
            metric=self.metric,
            class_weights=class_weights,
            drop=tuple(self.drop),
            categories=tuple(self.categories),
        )

    def _check_numbers(self) -> None:
        check_positive("batch_size", self.batch_size)
        check_positive("num_steps", self.num_steps, or_none=True)
        share = self.validation_fraction
        if isinstance(share, bool) or not isinstance(share, int | float | np.number) or not 0 <= share < 1:
            raise InputError(f"validation_fraction must be from 0 to below 1, got {quoted(share)}.")

    def _fitted(self, rows: ArrayRows, settings: TableSettings) -> Self:
        recipe = as_recipe(self.recipe)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        splits = rows.splits(settings, float(self.validation_fraction), seed)
        budget = budget_for(len(splits.own[0]), self.batch_size, self.num_steps, recipe.num_validations)
        factory = None if self.model is None or isinstance(self.model, str) else self.model
        fitter = Fitter(recipe, TableRows(splits, factory), budget, seed, lambda line: None)
        self.predictor_: FittedPredictor = fitter.predictor(all_rows=bool(self.all_rows))
        self.num_steps_ = self.predictor_.record.num_steps
        return self

    def _rows(self, X: Any, settings: TableSettings, **targets: Any) -> tuple[Any, Any]:
        """Rows as sklearn checks them: a data frame as it is, anything else as numbers in which NaN is a gap."""
        if hasattr(X, "iloc"):
            checked = validate_data(self, X, skip_check_array=True, **targets)
        else:
            checked = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", **targets)
        return checked if targets.get("y") is not None else (checked, None)

    def _output(self, X: Any) -> Tensor:
        check_is_fitted(self)
        reader = self.predictor_.reader
        assert isinstance(reader, RowReader)
        rows, _ = self._rows(X, reader.settings, reset=False)
        return self.predictor_.output(ArrayRows.inputs_of(rows, reader))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class RecipeClassifier(ClassifierMixin, _RecipeEstimator):  # type: ignore[misc]
    """A classifier whose network is trained by a recipe, with scikit-learn's interface.

    `fit` divides off validation rows, trains with the recipe until its stopper ends it, keeps the best validated step,
    and trains anew on all rows for as many. NumPy arrays are numbers, in which NaN is a gap; columns of data frames may
    also be categories, dates, booleans and text, which are read as those of files are.

    Args:
        recipe: a recipe, or what `metaopt.load_recipe` reads.
        model: `(num_inputs, num_outputs) -> Module`, or `"package.module:factory"`; two hidden layers of 64 if left
            out.
        num_steps: planned training steps; by the number of rows if left out.
        batch_size: examples a step.
        metric: by which the best step is chosen: `accuracy`, `balanced_accuracy`, `auc`, `f1` or `log_loss`, which it
            is if left out.
        validation_fraction: of rows, at most 2,000 of them; 0 trains all planned steps without a look.
        all_rows: whether the model is trained anew on all rows once validation has said for how long.
        drop: columns of a data frame to leave out.
        categories: columns of a data frame that are categories although they hold numbers.
        random_state: an int for the same result each time.
        class_weight: `"balanced"`, or a weight a class.

    Attributes:
        classes_: the labels, sorted.
        n_features_in_: columns that `fit` saw.
        feature_names_in_: their names, of a data frame.
        num_steps_: training steps that the weights are of.
        predictor_: the `metaopt.FittedPredictor`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> import metaopt
        >>> X, y = load_iris(return_X_y=True)
        >>> bool(metaopt.RecipeClassifier(random_state=0).fit(X, y).score(X, y) > 0.9)
        True
    """

    _kind = "classification"

    def __init__(
        self,
        recipe: Recipe | str | Path = "default",
        *,
        model: _Model = None,
        num_steps: int | None = None,
        batch_size: int = 64,
        metric: str | None = None,
        validation_fraction: float = 0.2,
        all_rows: bool = True,
        drop: Sequence[str] = (),
        categories: Sequence[str] = (),
        random_state: Any = None,
        class_weight: str | Mapping[Any, float] | None = None,
    ) -> None:
        super().__init__(
            recipe,
            model=model,
            num_steps=num_steps,
            batch_size=batch_size,
            metric=metric,
            validation_fraction=validation_fraction,
            all_rows=all_rows,
            drop=drop,
            categories=categories,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows, shape (n, features), and their labels, shape (n,).

        Raises:
            InputError: columns cannot be used, there is one class, or the training diverged.
        """
        settings = self._settings()
        X, y = self._rows(X, settings, y=y)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"RecipeClassifier needs rows of at least two classes, got 1 class: {quoted(str(self.classes_[0]))}."
            )
        settings = self._settings(self._weights())
        names = tuple(map(str, self.classes_))
        return self._fitted(ArrayRows.of(X, codes.reshape(-1), names, settings), settings)

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row, shape (n,)."""
        output = self._output(X)
        labels: NDArray[Any] = self.classes_[output.argmax(-1).numpy()]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class, shape (n, classes), in the order of `classes_`."""
        output = self._output(X)
        return self.predictor_.reader.target.probabilities(output)

    def _weights(self) -> Any:
        if self.class_weight is None or self.class_weight == "balanced":
            return self.class_weight
        if not isinstance(self.class_weight, Mapping):
            raise InputError(f"class_weight must be 'balanced' or a weight a class, got {quoted(self.class_weight)}.")
        unknown = set(self.class_weight) - set(self.classes_.tolist())
        if unknown:
            raise InputError(f"class_weight has {quoted(next(iter(unknown)))}, which is no class of y.")
        return {str(label): float(self.class_weight.get(label, 1.0)) for label in self.classes_.tolist()}


class RecipeRegressor(RegressorMixin, _RecipeEstimator):  # type: ignore[misc]
    """A regressor whose network is trained by a recipe, with scikit-learn's interface; see `RecipeClassifier`.

    Args:
        recipe: see `RecipeClassifier`, as for all others.
        model: called with (num_inputs, 1).
        num_steps: planned training steps.
        batch_size: examples a step.
        metric: `mse`, which it is if left out, `mae` or `r2`.
        validation_fraction: of rows.
        all_rows: whether the model is trained anew on all rows.
        drop: columns to leave out.
        categories: columns that are categories.
        random_state: an int for the same result each time.

    Attributes:
        n_features_in_: columns that `fit` saw.
        feature_names_in_: their names, of a data frame.
        num_steps_: training steps that the weights are of.
        predictor_: the `metaopt.FittedPredictor`.

    Example:
        >>> import numpy as np, metaopt
        >>> X = np.linspace(-1, 1, 100)[:, None]
        >>> bool(metaopt.RecipeRegressor(random_state=0).fit(X, 3 * X[:, 0]).score(X, 3 * X[:, 0]) > 0.9)
        True
    """

    _kind = "regression"

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows, shape (n, features), and their targets, shape (n,).

        Raises:
            InputError: columns cannot be used, or the training diverged.
        """
        settings = self._settings()
        X, y = self._rows(X, settings, y=y, y_numeric=True)
        y = column_or_1d(y, warn=True).astype(np.float64)
        if not np.isfinite(y).all():
            raise InputError("Input y contains NaN or infinity; remove such rows.")
        return self._fitted(ArrayRows.of(X, y, (), settings), settings)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The number of each row, shape (n,)."""
        output = self._output(X)
        return self.predictor_.reader.target.numbers(output)
